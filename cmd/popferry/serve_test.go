package main

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// counter is a daemon's page, seen from outside.
type counter struct {
	t    *testing.T
	base string
}

// ask sends a form, or gets a page if it is nil, and returns the answer's
// status and its body.
func (c *counter) ask(path string, form url.Values, password string) (int, string) {
	c.t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Close = true
	if password != "" {
		r.SetBasicAuth("", password)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// shows waits until a page has something.
func (c *counter) shows(path, what string) {
	c.t.Helper()
	waitFor(c.t, what, func() bool {
		_, body := c.ask(path, nil, "")
		return strings.Contains(body, what)
	})
}

// listening is where a daemon's page is, by its log.
var listening = regexp.MustCompile(`listen=(127\.0\.0\.1:\d+)`)

// TestServe: what is held shows on the page of a daemon; who knows the password
// has it sent after all.
func TestServe(t *testing.T) {
	t.Parallel()
	o := newOffice(t, letters(2)...)
	o.poll(true)
	o.mustBe("uid-1 held, uid-2 held")
	o.refuse.Store(false)
	const pass = "page-password"
	if err := os.WriteFile(filepath.Join(filepath.Dir(o.config), "page.password"), []byte(pass+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(o.config)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, o.config, string(text)+"listen: 127.0.0.1:0\nweb: {password_file: page.password}\n")
	cfg, err := config.Load(o.config, config.Env{CheckSchedule: schedule.Check})
	if err != nil {
		t.Fatal(err)
	}
	store, err := openLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var log output
	f := newFront(store, newWiring(), slog.New(slog.NewTextHandler(&log, nil)))
	defer f.close()
	if err := f.alive(); err == nil {
		t.Error("alive before its start")
	}
	s, err := startService(t.Context(), cfg, store, slog.New(slog.DiscardHandler), f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	c := &counter{t, "http://" + listening.FindStringSubmatch(log.String())[1]}
	c.shows("/metrics", `popferry_polls_total{account="isp",outcome="ok"} 1`)
	for path, want := range map[string]string{
		"/healthz":     "alive",
		"/readyz":      "ready",
		"/status.json": `"held": 2`,
		"/":            "2 messages need you",
		"/metrics":     `popferry_messages{account="isp",state="held"} 2`,
	} {
		code, body := c.ask(path, nil, "")
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q:\n%s", path, code, want, body)
		}
		for _, secret := range []string{"secret", pass, "about 1", "1@example.org"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
	}
	if _, body := c.ask("/", nil, pass); !strings.Contains(body, "about 1") || strings.Contains(body, pass) {
		t.Errorf("who knows the password sees:\n%s", body)
	}

	first := url.Values{"account": {"isp"}, "uid": {hex.EncodeToString([]byte("uid-1"))}}
	if code, body := c.ask("/retry", first, ""); code != http.StatusForbidden {
		t.Errorf("without the password: %d\n%s", code, body)
	}
	if code, body := c.ask("/retry", first, pass); code != http.StatusSeeOther {
		t.Errorf("retry: %d\n%s", code, body)
	}
	c.shows("/metrics", `popferry_messages{account="isp",state="forwarded"} 1`)
	c.shows("/metrics", `popferry_forward_duration_seconds_count{forward="`+cfg.Forward[0].Name+`"} 1`)
	waitFor(t, "skipping, once the poll has ended", func() bool {
		code, _ := c.ask("/skip", url.Values{"account": {"isp"}, "uid": {hex.EncodeToString([]byte("uid-2"))}}, pass)
		return code == http.StatusSeeOther
	})
	c.shows("/status.json", `"skipped": 1`)
	if code, body := c.ask("/skip", first, pass); code != http.StatusConflict || !strings.Contains(body, "uid-1 is forwarded") {
		t.Errorf("skipping what was forwarded: %d\n%s", code, body)
	}
	if code, _ := c.ask("/poll", url.Values{"account": {"nobody"}}, pass); code != http.StatusConflict {
		t.Errorf("polling nobody: %d", code)
	}

	s.stop()
	if code, body := c.ask("/healthz", nil, ""); code != http.StatusOK {
		t.Errorf("while it stops: %d %s", code, body)
	}
	without := *cfg
	without.Listen = ""
	if err := f.listen(t.Context(), &without); err != nil {
		t.Fatal(err)
	}
	if code, _ := c.ask("/healthz", nil, ""); code != 0 {
		t.Errorf("it still listens after listen was taken away: %d", code)
	}
}

// refusing refuses logins, which are not tried again for ten minutes, until all
// is well.
func refusing(well *atomic.Bool) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, _ string) bool {
		if verb != "PASS" && verb != "AUTH" && verb != "APOP" || well.Load() {
			return false
		}
		s.Write("-ERR [AUTH] no\r\n")
		return true
	}
}

// TestAskedWhileReloading: a poll that is asked for while the service is being
// replaced is the next one's, which else would honour the back-off.
func TestAskedWhileReloading(t *testing.T) {
	t.Parallel()
	var well atomic.Bool
	src := startPOP3(t, pop3test.Options{Handle: refusing(&well)}, oneMail)
	sink := startSMTP(t, smtptest.Options{})
	cfg, err := config.Load(writeConfig(t, "state: popferry.db\nschedule: '@every 1h'\naccounts:\n  - {name: isp, %s, tls: none, username: leo, password: secret}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", hostPort(t, src.Addr()), hostPort(t, sink.Addr().String())), config.Env{CheckSchedule: schedule.Check})
	if err != nil {
		t.Fatal(err)
	}
	store, err := openLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var text output
	log := slog.New(slog.NewTextHandler(&text, nil))
	f := newFront(store, newWiring(), log)
	defer f.close()
	begin := func() *service {
		t.Helper()
		s, err := startService(t.Context(), cfg, store, log, f)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := begin()
	waitFor(t, "poll that is refused", func() bool { return strings.Contains(text.String(), "poll ended early") })
	old.stop()
	well.Store(true)
	if err := (&pageDesk{front: f, store: store}).Poll("isp"); err != nil {
		t.Fatal(err)
	}
	if err := f.alive(); err != nil {
		t.Errorf("while it is replaced it is not alive: %v", err)
	}
	defer begin().stop()
	waitFor(t, "poll in spite of the back-off", func() bool { return len(sink.Messages()) == 1 })
}

// TestMetricsFile: counters go on from run to run.
func TestMetricsFile(t *testing.T) {
	t.Parallel()
	o := newOffice(t, letters(2)...)
	file := filepath.Join(filepath.Dir(o.config), "popferry.prom")
	for range 2 {
		o.do(exitOK, nil, "run", "--once", "--metrics-file", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`popferry_polls_total{account="isp",outcome="ok"} 2`,
		`popferry_messages_total{account="isp",outcome="forwarded"} 2`,
		`popferry_messages{account="isp",state="forwarded"} 2`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("there is no %s in\n%s", want, b)
		}
	}
}

// TestAskedJustBeforeReloading: a service that is stopped while it does what was
// asked for leaves that to the next one.
func TestAskedJustBeforeReloading(t *testing.T) {
	t.Parallel()
	src := startPOP3(t, pop3test.Options{}, oneMail)
	sink := startSMTP(t, smtptest.Options{})
	cfg, err := config.Load(writeConfig(t, "state: popferry.db\naccounts:\n  - {name: isp, %s, tls: none, username: leo, password: secret}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", hostPort(t, src.Addr()), hostPort(t, sink.Addr().String())), config.Env{CheckSchedule: schedule.Check})
	if err != nil {
		t.Fatal(err)
	}
	store, err := openLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	stopping := make(chan struct{})
	close(stopping)
	var asked wishes
	asked.add("isp")
	a, err := newApp(t.Context(), cfg, store, appOptions{Log: slog.New(slog.DiscardHandler), Stopping: stopping, Asked: &asked, Wiring: newWiring()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	res := a.poll(t.Context(), "isp", false)
	if _, ok := asked.take("isp"); !ok || !errors.Is(res.Err, fetcher.ErrStopped) {
		t.Errorf("the next service knows of it: %t; %v", ok, res.Err)
	}
}

package daemon

import (
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// listening finds the page's address in the log.
var listening = regexp.MustCompile(`listen=(127\.0\.0\.1:\d+)`)

// TestPage: the page of a daemon shows what is held, and with the password it
// can be sent or skipped.
func TestPage(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.Mail(2)...)
	var refuse atomic.Bool
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if refuse.Load() && e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not that"}
		}
		return smtptest.Fault{}
	}})
	const pass = "page-password"
	path := testworld.Config(t, `
state: popferry.db
listen: 127.0.0.1:0
web: {password_file: page.password}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {name: main, %s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	testworld.Write(t, filepath.Join(filepath.Dir(path), "page.password"), pass+"\n")
	var log testworld.Output
	d, cfg := fixture(t, path, &log, slog.LevelInfo)
	refuse.Store(true)
	pollOnce(t, d)
	refuse.Store(false)
	if err := (control{d}).alive(); err == nil {
		t.Error("alive before its start: want an error")
	}
	g := d.begin(t, cfg)
	if err := (control{d}).Poll(""); err != nil { // the last poll was a moment ago
		t.Fatal(err)
	}
	base := "http://" + listening.FindStringSubmatch(log.String())[1]
	ask := func(path string, form url.Values, password string) (int, string) {
		t.Helper()
		return testworld.Request(t, base+path, form, password)
	}
	shows := func(path, what string) {
		t.Helper()
		testworld.WaitFor(t, what, func() bool {
			_, body := ask(path, nil, "")
			return strings.Contains(body, what)
		})
	}

	shows("/metrics", `popferry_polls_total{account="isp",outcome="ok"} 1`)
	for path, want := range map[string]string{
		"/healthz":     "alive",
		"/readyz":      "ready",
		"/status.json": `"held": 2`,
		"/":            "2 messages need you",
		"/metrics":     `popferry_messages{account="isp",state="held"} 2`,
	} {
		code, body := ask(path, nil, "")
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: got %d, want %d with %q:\n%s", path, code, http.StatusOK, want, body)
		}
		for _, secret := range []string{"secret", pass, "about 1", "1@example.org"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
	}
	if _, body := ask("/", nil, pass); !strings.Contains(body, "about 1") || strings.Contains(body, pass) {
		t.Errorf("with the password the page has no subject, or has the password:\n%s", body)
	}

	first := url.Values{"account": {"isp"}, "uid": {hex.EncodeToString([]byte("uid-1"))}}
	if code, body := ask("/retry", first, ""); code != http.StatusForbidden {
		t.Errorf("retry without the password: got %d, want %d\n%s", code, http.StatusForbidden, body)
	}
	if code, body := ask("/retry", first, pass); code != http.StatusSeeOther {
		t.Errorf("retry: got %d, want %d\n%s", code, http.StatusSeeOther, body)
	}
	shows("/metrics", `popferry_messages{account="isp",state="forwarded"} 1`)
	shows("/metrics", `popferry_forward_duration_seconds_count{forward="main"} 1`)
	testworld.WaitFor(t, "skipping, once the poll has ended", func() bool {
		code, _ := ask("/skip", url.Values{"account": {"isp"}, "uid": {hex.EncodeToString([]byte("uid-2"))}}, pass)
		return code == http.StatusSeeOther
	})
	shows("/status.json", `"skipped": 1`)
	if code, body := ask("/skip", first, pass); code != http.StatusConflict || !strings.Contains(body, "cannot skip uid-1 in state forwarded") {
		t.Errorf("skipping a forwarded message: got %d, want %d and the reason\n%s", code, http.StatusConflict, body)
	}
	if code, _ := ask("/poll", url.Values{"account": {"nobody"}}, pass); code != http.StatusConflict {
		t.Errorf("polling an unknown account: got %d, want %d", code, http.StatusConflict)
	}

	g.stop()
	if code, body := ask("/healthz", nil, ""); code != http.StatusOK {
		t.Errorf("health while it stops: got %d, want %d\n%s", code, http.StatusOK, body)
	}
	if err := d.http.relisten(t.Context(), &config.Config{}); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask("/healthz", nil, ""); code != 0 {
		t.Errorf("after listen was removed: got %d, want no answer", code)
	}
}

// pollOnce polls all accounts of a daemon that has not started.
func pollOnce(t *testing.T, d *daemon) {
	t.Helper()
	a, err := app.New(t.Context(), d.Config, d.Store, app.Options{Resources: d.Resources, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, res := range a.PollAll(t.Context(), true) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
	}
}

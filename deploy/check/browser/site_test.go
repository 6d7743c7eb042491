package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

const (
	password = "open sesame"
	// failing is an account whose login is refused. It comes first on the page.
	failing = "treasurer@club.example"
	// refused and busy are senders whose mail the destination refuses, for good and
	// for now.
	refused = "prize@lottery.example"
	busy    = "board@club.example"
	// refusedUID is the UID of the refused message, in octets, and as messages
	// --json shows it.
	refusedUID, refusedUIDShown = "uid-1<&\xff", "uid-1<&ÿ"
)

// site is a running popferry whose page has everything to show.
type site struct {
	*testing.T
	program, config, url string
	log                  *lockedBuffer
	exit                 int // code with which popferry ends when it is told to
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// require returns the path of a program, or skips the test.
func require(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("POPFERRY_REQUIRE_SERVERS") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

// startSite polls once, adds 30 days of history, and starts the daemon.
func startSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	sqlite := require(t, "sqlite3")
	dir := t.TempDir()
	s.configure(dir, startPOP3(t), startSMTP(t))
	if out, err := exec.CommandContext(t.Context(), s.program, "run", "--once", "--config", s.config).CombinedOutput(); err == nil {
		t.Fatalf("run --once: exit 0, want 75 because of %s:\n%s", failing, out)
	}
	if out, err := exec.CommandContext(t.Context(), sqlite, filepath.Join(dir, "popferry.db"), history).CombinedOutput(); err != nil {
		t.Fatalf("adding a history: %v\n%s", err, out)
	}
	s.start("run", "--config", s.config)
	s.await("the first poll", func() bool { // nothing is due: all were polled a moment ago
		poll := exec.CommandContext(t.Context(), s.program, "poll", "--wait", "--config", s.config)
		return s.polled("work") > 0 || poll.Run() != nil && s.polled("work") > 0
	})
	return s
}

// newSite returns a site that does not run yet.
func newSite(t *testing.T) *site {
	t.Helper()
	name := os.Getenv("POPFERRY_PROGRAM")
	if name == "" {
		name = "$POPFERRY_PROGRAM" // is not found
	}
	return &site{T: t, program: require(t, name), log: &lockedBuffer{}}
}

// start starts popferry, which ends with the test.
func (s *site) start(args ...string) {
	s.Helper()
	t, daemon := s.T, exec.Command(s.program, args...)
	daemon.Stdout, daemon.Stderr = s.log, s.log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := daemon.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := daemon.Wait(); daemon.ProcessState.ExitCode() != s.exit {
			t.Errorf("the daemon: %v, want exit %d", err, s.exit)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", s.log)
		}
	})
}

// history adds messages of the last 30 days to the chart.
const history = `
WITH RECURSIVE day(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM day WHERE n < 29)
INSERT OR REPLACE INTO days (date, account, outcome, count)
SELECT date('now', '-' || n || ' days'), a.id, 'forwarded', CASE a.name
	WHEN 'isp' THEN (n * 7) % 23 + 20 - n % 7 * 3
	WHEN 'work' THEN (n * 13) % 90 + 150 - n % 7 * 25
	ELSE n % 5 END
FROM day, accounts a WHERE a.name IN ('isp', 'work', '` + failing + `');
INSERT OR REPLACE INTO days (date, account, outcome, count)
SELECT date('now', '-9 days'), id, 'deferred', 6 FROM accounts WHERE name = 'isp';`

// configure writes popferry.yaml.
func (s *site) configure(dir, pop, smtp string) {
	s.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		s.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		s.Fatal(err)
	}
	popHost, popPort, _ := net.SplitHostPort(pop)
	smtpHost, smtpPort, _ := net.SplitHostPort(smtp)
	var b strings.Builder
	fmt.Fprintf(&b, "state: popferry.db\nschedule: \"@every 1h\"\nlisten: %s\nweb: {password_file: page.password}\naccounts:\n", listener.Addr())
	for _, a := range []struct {
		name, username string
		enabled        bool
	}{{"work", "work", true}, {"isp", "isp", true}, {"club", "club", true}, {failing, "nobody", true}, {"old", "old", false}} {
		fmt.Fprintf(&b, "  - {name: %s, enabled: %t, host: %s, port: %s, tls: none, username: %s, password: secret}\n", a.name, a.enabled, popHost, popPort, a.username)
	}
	fmt.Fprintf(&b, "forward:\n  - {name: main, host: %s, port: %s, tls: none, from: original, to: [me@inbox.example]}\n", smtpHost, smtpPort)
	s.config = filepath.Join(dir, "popferry.yaml")
	for path, text := range map[string]string{s.config: b.String(), filepath.Join(dir, "page.password"): password} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			s.Fatal(err)
		}
	}
}

// startPOP3 starts a server with three mailboxes.
func startPOP3(t *testing.T) string {
	t.Helper()
	server := pop3test.NewServer(pop3test.Options{Users: map[string]string{"isp": "secret", "work": "secret", "club": "secret"}})
	add := func(user, uid, name, from, subject string) {
		server.Add(user, pop3test.Message{UID: uid, Octets: fmt.Appendf(nil,
			"Return-Path: <%[4]s>\r\nFrom: \"%[3]s\" <%[4]s>\r\nSubject: %[5]s\r\nMessage-ID: <%[1]s.%[2]x@isp.example>\r\nDate: Fri, 20 Nov 2026 08:00:00 +0000\r\n\r\nHello.\r\n",
			user, uid, name, from, subject)})
	}
	add("isp", refusedUID, "Prize Office", refused, "You have won")
	add("club", "uid-1", "<b>Office</b>", busy, "=?utf-8?q?Gr=C3=BC=C3=9Fe?= <script>alert(1)</script>")
	for i := range 60 {
		add("isp", fmt.Sprintf("new-%d", i), "Anna", "anna@example.org", "Dinner on Friday?")
		add("work", fmt.Sprintf("new-%d", i), "Carla", "carla@work.example", "The plan")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server.Addr()
}

// startSMTP starts a server that refuses the mail of two senders.
func startSMTP(t *testing.T) string {
	t.Helper()
	var mu sync.Mutex
	senders := make(map[int]string) // by message
	server, err := smtptest.Start(smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case e.Stage == forwarder.StageMail:
			senders[e.Message] = e.Address
		case e.Stage == forwarder.StageDot && senders[e.Message] == refused:
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "this looks like spam"}
		case e.Stage == forwarder.StageDot && senders[e.Message] == busy:
			return smtptest.Fault{Code: 451, Enhanced: forwarder.EnhancedCode{4, 7, 1}, Text: "greylisted, try again later"}
		}
		return smtptest.Fault{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server.Addr().String()
}

// await waits until a condition holds, one minute at most.
func (s *site) await(what string, holds func() bool) {
	s.Helper()
	for limit := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			s.Fatalf("waited a minute for %s", what)
		}
	}
}

// polled returns how many polls of an account have ended, by the metrics: 0 while
// the page does not answer.
func (s *site) polled(account string) int {
	res, err := http.Get(s.url + "/metrics")
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		return 0
	}
	sum := 0
	for line := range strings.Lines(b.String()) {
		var n int
		if rest, ok := strings.CutPrefix(line, fmt.Sprintf("popferry_polls_total{account=%q,outcome=", account)); ok && !strings.HasPrefix(rest, `"resting"`) {
			_, count, _ := strings.Cut(rest, "} ")
			_, _ = fmt.Sscan(count, &n)
			sum += n
		}
	}
	return sum
}

// refusedState returns the state of the message that is refused.
func (s *site) refusedState() string {
	s.Helper()
	out, err := exec.CommandContext(s.Context(), s.program, "messages", "--json", "--account", "isp", "--config", s.config).Output()
	if err != nil {
		s.Fatal(err)
	}
	var list []struct{ UID, State string }
	if err := json.Unmarshal(out, &list); err != nil {
		s.Fatal(err)
	}
	for _, m := range list {
		if m.UID == refusedUIDShown {
			return m.State
		}
	}
	s.Fatalf("no message with the UID %q in %s", refusedUIDShown, out)
	return ""
}

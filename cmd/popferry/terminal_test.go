//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The first line of status says whether popferry runs. Killed, it is not running, and
// its polls are overdue; healthy exits with 0 or 1.
func TestStatusSaysWhetherPopferryRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.OneMail)
	says := func(running bool, first string) {
		t.Helper()
		code, out, errs := popferry(t, "status", "--config", f.config)
		if line, _, _ := strings.Cut(out, "\n"); code != exitOK || !regexp.MustCompile(first).MatchString(line) {
			t.Errorf("got exit %d, want %d and %s\n%s%s", code, exitOK, first, out, errs)
		}
		want := exitOther
		if running {
			want = exitOK
		}
		if code, out, errs := popferry(t, "healthy", "--config", f.config); code != want || out != "" || running != (errs == "") {
			t.Errorf("healthy: got exit %d, want %d\n%s%s", code, want, out, errs)
		}
		var status struct {
			Running  bool
			LastSeen *time.Time `json:"last_seen"`
		}
		if _, out, _ = popferry(t, "status", "--json", "--config", f.config); json.Unmarshal([]byte(out), &status) != nil || status.Running != running {
			t.Errorf("got running %v, want %v\n%s", status.Running, running, out)
		}
	}
	says(false, `^popferry is not running, and has never polled\. `)
	f.poll(false)
	says(false, `^popferry is not running, last seen 20..-..-.. ..:..:.. \(\d+ s ago\)\. If cron or a timer starts popferry run --config \S+ --once, that is as it should be\.$`)
	text, err := os.ReadFile(f.config)
	if err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, f.config, strings.Replace(string(text), "log: {level: error}", "schedule: '@every 1s'", 1))
	p := start(t, build(t), "run", "--config", f.config)
	p.logged(t, 1, "msg=polled")
	says(true, `^popferry is running, since 20..-..-.. ..:..:..\.$`)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // killed
	testworld.WaitFor(t, "the time of the next poll to pass", func() bool {
		_, out, _ := popferry(t, "status", "--config", f.config)
		return strings.Contains(out, "overdue")
	})
	says(false, `^popferry is not running, last seen .*\. Polls are overdue: start it with popferry run`)
	if code, _, errs := popferry(t, "healthy", "--config", filepath.Join(t.TempDir(), "none.yaml")); code != exitOther || errs == "" {
		t.Errorf("healthy without a configuration: got exit %d, want %d\n%s", code, exitOther, errs)
	}
}

// At a terminal the log is a short line for each poll, within its width.
func TestRunAtATerminalLogsShortLines(t *testing.T) {
	t.Parallel()
	var well atomic.Bool
	src, sink := testworld.POP3(t, pop3test.Options{Handle: testworld.Refusing(&well)}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
state: popferry.db
schedule: '@every 1h'
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	s := startAtTerminal(t, t.TempDir(), "run", "--config", cfg)
	if err := pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	s.logged(t, 1, "ERROR isp: ")
	well.Store(true)
	for _, want := range []string{"isp: 1 forwarded, 1 on server", "isp: nothing new, 1 on server"} {
		if code, out, errs := popferry(t, "poll", "--wait", "--config", cfg); code != exitOK {
			t.Fatalf("got exit %d\n%s%s", code, out, errs)
		}
		s.logged(t, 1, want)
	}
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.ends(); code != exitOK {
		t.Errorf("got exit %d, want %d", code, exitOK)
	}
	for line := range strings.Lines(strings.ReplaceAll(s.out.String(), "\r", "")) {
		if line = strings.TrimSuffix(line, "\n"); len(line) > 80 && strings.Contains(strings.TrimSpace(line[6:]), " ") {
			t.Errorf("longer than 80 columns: %s", line)
		}
		if strings.Contains(line, "level=") {
			t.Errorf("not a short line: %s", line)
		}
	}
}

// What is retried is sent at once by the popferry that runs.
func TestRetryHasTheRunningPopferryPoll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.OneMail)
	f.poll(true)
	f.hasStates("uid-1 held")
	f.do(exitOK, []string{"No popferry is running. To send them now: popferry run --config " + f.config + " --once --now isp\n"}, "retry", "isp", "uid-1")
	f.poll(true)
	p := start(t, build(t), "run", "--verbose", "--config", f.config)
	testworld.WaitFor(t, "popferry", func() bool { code, _, _ := popferry(t, "healthy", "--config", f.config); return code == exitOK })
	f.refuse.Store(false)
	f.do(exitOK, []string{"isp: is polled now\n"}, "retry", "isp", "uid-1")
	testworld.WaitFor(t, "the message", func() bool { return len(f.sink.Messages()) == 1 })
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
}

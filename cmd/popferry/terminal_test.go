//go:build linux

package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
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
	fits(t, s.out.String())
	if strings.Contains(s.out.String(), "level=") {
		t.Errorf("these are not short lines:\n%s", s.out.String())
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

// fits makes sure that what a program says fits into 80 columns. A word that is longer
// than half a line, such as a path, stays whole so that it can be copied.
func fits(t *testing.T, text string) {
	t.Helper()
	text = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`).ReplaceAllString(text, "")
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(strings.TrimRight(line, "\r\n"), '\r'); i >= 0 { // written over
			line = line[i+1:]
		}
		line = strings.TrimRight(line, " \r\n")
		if words := strings.Fields(line); utf8.RuneCountInString(line) > 80 && utf8.RuneCountInString(words[len(words)-1]) <= 40 {
			t.Errorf("longer than 80 columns:\n%s", line)
		}
	}
}

// Whatever a command says at a terminal of 80 columns fits into it: the help of each,
// results, errors and advice.
func TestEverythingFitsInto80Columns(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.Mail(3)...), testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 1 {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "this server does not like that message at all, and says so in many words"}
		}
		return smtptest.Fault{}
	}})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: "leonora.longname@mailboxes.example.net", %s, tls: none, username: leo, password: secret}
  - {name: port, %s, tls: none, username: zoe, password: secret, tls_min: "1.0"}
  - {name: off, %[2]s, tls: none, username: max, password: secret, enabled: false}
forward:
  - {name: main, %[3]s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, nowhere), testworld.HostPort(t, sink.Addr().String()))
	bad := testworld.Config(t, "accounts: [{host: pop.example.net, pasword: x, leave_on_server: perhaps}]\nforwards: []\n")
	rc := filepath.Join(t.TempDir(), "fetchmailrc")
	testworld.Write(t, rc, "poll pop.example.net proto pop3 user leo pass secret is leo mia here fetchall stripcr\n")
	with := func(words string) []string { return append(strings.Fields(words), "--config", cfg) }
	commands := [][]string{
		{"providers"}, {"providers", "gmail", "outlook"}, {"providers", "nobody"}, {"nonsense"}, {"run", "--onec"}, {"version"},
		{"run", "--once", "--config", bad}, {"check", "--config", filepath.Join(t.TempDir(), "none.yaml")}, {"init", "--config", cfg},
		{"demo"}, {"import", "fetchmail", rc, "--output", filepath.Join(t.TempDir(), "popferry.yaml")},
		with("status"), with("healthy"), with("run --once"), with("run --once"), with("status"), with("messages"), with("messages --last 1"), with("check"),
		with("poll"), with("retry port --state held"), with("retry leonora.longname@mailboxes.example.net --state held"),
		with("skip leonora.longname@mailboxes.example.net no-such-uid"), with("forget leonora.longname@mailboxes.example.net"),
		with("rename port leonora.longname@mailboxes.example.net"), with("show port 1"), with("messages --account nobody"),
	}
	for _, c := range newRoot(io.Discard, io.Discard).Commands() {
		commands = append(commands, []string{"help", c.Name()})
	}
	for _, args := range append(commands, []string{"help"}) {
		s := startAtTerminal(t, t.TempDir(), args...)
		code := s.ends()
		if said := s.out.String(); said == "" && code != exitOK {
			t.Errorf("%q says nothing and exits with %d", args, code)
		}
		t.Run(strings.Join(args, " "), func(t *testing.T) { fits(t, s.out.String()) })
	}
}

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The summary is an array with an entry for each account, in the order of the
// configuration; a failed account has its error there.
func TestOnceJSONHasEachAccount(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: port, %s, tls: none, username: leo, password: secret}
  - {name: good, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, nowhere), testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	code, out, errs := popferry(t, "run", "--once", "--json", "--config", cfg)
	var got []map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 75 || len(got) != 2 {
		t.Fatalf("got exit %d, %v, %d accounts; want exit %d, 2 accounts\n%s%s", code, err, len(got), exitAgain, out, errs)
	}
	if got[0]["name"] != "port" || got[0]["last_error"] == "" || got[0]["try_again"] != true {
		t.Errorf("got %v, want port with an error, to be tried again", got[0])
	}
	if got[1]["name"] != "good" || got[1]["forwarded"] != 1.0 || got[1]["on_server"] != 1.0 || got[1]["last_error"] != "" || got[1]["try_again"] != false {
		t.Errorf("got %v, want good with 1 forwarded, 1 on the server and no error", got[1])
	}
}

func TestMetricsFileCountsOnFromRunToRun(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(2)...)
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

// An account whose token_command says when the token ends has that in the
// metrics; other accounts have no such line, and the token is shown nowhere.
func TestMetricsFileHasTheEndOfATokenOnlyIfKnown(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{SASL: map[string]pop3test.Mechanism{
		"XOAUTH2": func(_ *pop3test.Session, initial []byte, _ func([]byte) ([]byte, error)) (string, error) {
			if !strings.Contains(string(initial), "auth=Bearer t0ken\x01") {
				return "", errors.New("[AUTH] wrong token")
			}
			return "leo", nil
		},
	}}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: json, %s, tls: none, username: leo, token_command: "echo '{\"access_token\": \"t0ken\", \"expires_in\": 3600}'"}
  - {name: plain, %[1]s, tls: none, username: leo@example.org, token_command: "echo t0ken"}
forward:
  - {%[2]s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	file := filepath.Join(filepath.Dir(cfg), "popferry.prom")
	before := time.Now()
	if code, out, errs := popferry(t, "run", "--once", "--metrics-file", file, "--config", cfg); code != exitOK || strings.Contains(out+errs, "t0ken") {
		t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^popferry_token_expiry_timestamp_seconds\{account="(.*)"\} (.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) != 1 || lines[0][1] != "json" {
		t.Fatalf("got %q, want one line, of the account json", lines)
	}
	seconds, err := strconv.ParseFloat(lines[0][2], 64)
	if ends := time.UnixMilli(int64(seconds * 1000)); err != nil || ends.Before(before.Add(59*time.Minute)) || ends.After(time.Now().Add(61*time.Minute)) {
		t.Errorf("the token ends at %s, %v; want an hour after %s", ends, err, before)
	}
}

// Cron mails whatever is printed: there is nothing to read where nothing happened
// and stdout is no terminal. What happened has one line, and what failed says so.
func TestOnceSaysNothingWhereNothingHappened(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: port, %s, tls: none, username: zoe, password: secret}
  - {name: good, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, nowhere), testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	tests := []struct {
		args      []string
		code      int
		out, errs string // expressions
	}{
		{[]string{"good"}, exitOK, `^good: 1 forwarded, .*\n$`, `^$`},
		{[]string{"good"}, exitOK, `^$`, `^$`},
		{[]string{"good", "--verbose"}, exitOK, `^good: 0 forwarded, .*\n$`, `^$`},
		{nil, exitAgain, `^port: FAILED: nothing listens on this port\n$`, `^popferry: port: nothing listens on this port: .*\n$`},
		{nil, exitAgain, `^$`, `^$`}, // it only backs off
		{[]string{"--ok-if-waiting"}, exitOK, `^$`, `^$`},
		{[]string{"--verbose"}, exitAgain, `^port: not polled\ngood: 0 forwarded, .*\n$`, `port: not polled: it or its destination failed before`},
		{[]string{"--now", "--ok-if-waiting"}, exitAgain, `^port: FAILED: `, `port: nothing listens`},
		{[]string{"--now", "--quiet"}, exitAgain, `^port: FAILED: `, `port: nothing listens`},
	}
	for _, tt := range tests {
		code, out, errs := popferry(t, append([]string{"run", "--once", "--config", cfg}, tt.args...)...)
		if code != tt.code || !regexp.MustCompile(tt.out).MatchString(out) || !regexp.MustCompile(tt.errs).MatchString(errs) {
			t.Errorf("%q: got exit %d, want %d\nstdout, want %s:\n%s\nstderr, want %s:\n%s", tt.args, code, tt.code, tt.out, out, tt.errs, errs)
		}
	}
}

// With --quiet, mail that was forwarded is no news either; what is held is. What was
// deferred only waits.
func TestOnceQuietAndWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.OneMail)
	f.do(exitOK, nil, "run", "--once", "--quiet")
	f.pop.Add("leo", pop3test.Message{UID: "uid-2", Octets: []byte(testworld.Mail(2)[1])})
	f.refuse.Store(true)
	f.do(exitOK, []string{"isp: 0 forwarded, 1 held"}, "run", "--once", "--quiet")
	f.change(func(r *ledger.Record) {
		if r.UID == "uid-2" {
			r.State, r.NextAttempt = ledger.Deferred, later
		}
	})
	f.do(exitAgain, nil, "run", "--once")
	f.do(exitOK, nil, "run", "--once", "--ok-if-waiting")
}

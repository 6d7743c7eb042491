package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// A notice says that an account fails, that a message is held, and that the
// account works again: once each, whichever process sends it.
func TestNoticesComeOnceEach(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageRcpt && e.Address == "never@example.org" {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not for us"}
		}
		return smtptest.Fault{}
	}})
	const text = `
log: {level: error}
state: popferry.db
notify: {to: admin@example.org, after: 0s}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: %s, to: [me@example.org, never@example.org]}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`
	notices := func(want int, words ...string) {
		t.Helper()
		n, last := noticesIn(sink)
		if n != want {
			t.Errorf("%d letters, want %d; the last one:\n%s", n, want, last)
		}
		for _, w := range words {
			if !strings.Contains(last, w) {
				t.Errorf("no %q in\n%s", w, last)
			}
		}
		if strings.Contains(last, "wr0ngpass") {
			t.Errorf("the password is shown:\n%s", last)
		}
	}
	cfg := testworld.Config(t, text, testworld.HostPort(t, src.Addr()), "wr0ngpass", testworld.HostPort(t, sink.Addr().String()))
	once := func() {
		t.Helper()
		if code, _, errs := popferry(t, "run", "--once", "--now", "--config", cfg); code != 0 && code != 75 {
			t.Fatalf("got exit %d, want %d or %d\n%s", code, exitOK, 75, errs)
		}
	}
	once()
	notices(1, "To: admin@example.org", "From: popferry <me@example.org>", "Subject: popferry: no mail from isp", "the login was refused", "app password")
	once()
	notices(1)
	mended, err := os.ReadFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg, bytes.ReplaceAll(mended, []byte("wr0ngpass"), []byte("secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	once()
	notices(2, "isp works again", "1 message is held", "5.7.1 not for us", "Message-ID: <popferry-notice.")
	once()
	notices(2)
}

// noticesIn returns how many notices a server got, and the last one.
func noticesIn(sink *smtptest.Server) (n int, last string) {
	for _, m := range sink.Messages() {
		if strings.Contains(string(m.Data), "Auto-Submitted: auto-generated\r\n") {
			n, last = n+1, strings.ReplaceAll(string(m.Data), "=\r\n", "")
		}
	}
	return n, last
}

// A destination that refuses everything is told of as one that fails, by another one
// that the configuration names.
func TestNoticeThatTheDestinationRefusesEverything(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.Mail(15)...)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) (f smtptest.Fault) {
		if e.Stage == forwarder.StageDot {
			f = smtptest.Fault{Code: 554, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not today"}
		}
		return f
	}})
	other := testworld.SMTP(t, smtptest.Options{})
	first := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
notify: {to: admin@example.org, after: 0s, forward: notices}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, forward: main}
forward:
  - {name: unused, %s, tls: none, to: [me@example.org]}
  - {name: main, %s, tls: none, to: [me@example.org]}
  - {name: notices, %s, tls: none}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, first.Addr().String()), testworld.HostPort(t, sink.Addr().String()), testworld.HostPort(t, other.Addr().String()))
	for range 2 {
		if code, _, errs := popferry(t, "run", "--once", "--now", "--config", cfg); code != 75 {
			t.Fatalf("got exit %d, want 75\n%s", code, errs)
		}
	}
	n, last := noticesIn(other)
	if n != 1 {
		t.Errorf("%d notices came by the destination for them, want 1", n)
	}
	for _, want := range []string{"no mail from isp", "the destination refuses everything", "15 messages are held", "To: admin@example.org"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in\n%s", want, last)
		}
	}
	if n := len(first.Messages()) + len(sink.Messages()); n != 0 {
		t.Errorf("%d messages came by other destinations, want none", n)
	}
}

// A message that has been deferred for five days is told of, once.
func TestNoticeOfAMessageThatIsDeferredForDays(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) (f smtptest.Fault) {
		if e.Stage == forwarder.StageDot && strings.Contains(string(e.Data), "<one@example.org>") {
			f = smtptest.Fault{Code: 451, Enhanced: forwarder.EnhancedCode{4, 7, 1}, Text: "come back later"}
		}
		return f
	}})
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
notify: {to: admin@example.org}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	once := func(want int) {
		t.Helper()
		if code, _, errs := popferry(t, "run", "--once", "--config", cfg); code != exitAgain {
			t.Fatalf("got exit %d, want %d\n%s", code, exitAgain, errs)
		}
		n, last := noticesIn(sink)
		if n != want {
			t.Errorf("%d notices, want %d", n, want)
		}
		for _, w := range []string{"delayed messages of isp", "1 message has been waiting for five days", "4.7.1 come back later"} {
			if want > 0 && !strings.Contains(last, w) {
				t.Errorf("no %q in\n%s", w, last)
			}
		}
	}
	once(0)
	f := &fixture{t: t, config: cfg}
	f.change(func(r *ledger.Record) { r.FirstAttempt = r.FirstAttempt.AddDate(0, 0, -5) })
	once(1)
	once(1)
}

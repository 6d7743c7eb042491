package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
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
		n, last := 0, ""
		for _, m := range sink.Messages() {
			if strings.Contains(string(m.Data), "Auto-Submitted: auto-generated\r\n") {
				n, last = n+1, string(m.Data)
			}
		}
		if n != want {
			t.Errorf("%d letters, want %d; the last one:\n%s", n, want, last)
		}
		for _, w := range words {
			if !strings.Contains(strings.ReplaceAll(last, "=\r\n", ""), w) {
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

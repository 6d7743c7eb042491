package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestDestinationByToken: a destination is logged in to with what token_command
// prints. A token that has ended is replaced in the same run, and no token is shown
// anywhere, not even one that the server repeats.
func TestDestinationByToken(t *testing.T) {
	t.Parallel()
	inbox, err := imaptest.Start(imaptest.Options{Before: []string{"AUTH=XOAUTH2", "SASL-IR"}, Secret: "ya29.new"})
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	submission := testworld.SMTP(t, smtptest.Options{Username: "mia", Password: "ya29.new", Mechanisms: []string{"PLAIN", "OAUTHBEARER"}})
	for name, destination := range map[string]string{
		"smtp": testworld.HostPort(t, submission.Addr().String()) + ", to: [me@example.org]",
		"imap": testworld.HostPort(t, inbox.Addr().String()) + ", protocol: imap",
	} {
		t.Run(name, func(t *testing.T) {
			src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
			runs := filepath.Join(t.TempDir(), "runs")
			config := func(command string) string {
				return testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {name: main, %s, tls: none, username: mia, token_command: %q}
`, testworld.HostPort(t, src.Addr()), destination, command)
			}
			// The first token has ended; the next ones are new.
			cfg := config(fmt.Sprintf("if test -e %s; then echo ya29.new; else touch %[1]s; echo ya29.old; fi", runs))
			code, out, errs := popferry(t, "run", "--once", "--trace", "isp", "--config", cfg)
			if code != exitOK || strings.Contains(out+errs, "ya29") || !strings.Contains(out+errs, "***") {
				t.Errorf("run: exit %d\n%s%s", code, out, errs)
			}
			if _, err := os.Stat(runs); err != nil {
				t.Error("the ended token was not used")
			}
		})
	}
	if n := len(submission.Messages()); n != 1 {
		t.Errorf("SMTP has %d messages, want 1", n)
	}
	if n := len(inbox.Messages("INBOX")); n != 1 {
		t.Errorf("IMAP has %d messages, want 1", n)
	}
}

// TestCheckByToken: so does check, and it says which secret was refused.
func TestCheckByToken(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{Username: "mia", Password: "ya29.new", Mechanisms: []string{"PLAIN", "XOAUTH2"}})
	inbox, err := imaptest.Start(imaptest.Options{Before: []string{"AUTH=OAUTHBEARER", "SASL-IR"}, Secret: "ya29.new"})
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	const refused = "the destination refused the access token: the server says: "
	for _, tt := range []struct{ destination, token, want string }{
		{testworld.HostPort(t, sink.Addr().String()) + ", to: [me@example.org]", "ya29.new", "All is well."},
		{testworld.HostPort(t, sink.Addr().String()) + ", to: [me@example.org]", "ya29.old", refused + "535 5.7.8 "},
		{testworld.HostPort(t, inbox.Addr().String()) + ", protocol: imap", "ya29.new", "All is well."},
		{testworld.HostPort(t, inbox.Addr().String()) + ", protocol: imap", "ya29.old", refused + "NO [AUTHENTICATIONFAILED] "},
	} {
		cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {name: main, %s, tls: none, username: mia, token_command: %q}
`, testworld.HostPort(t, src.Addr()), tt.destination, "echo "+tt.token)
		code, out, errs := popferry(t, "check", "--config", cfg)
		if (code == exitOK) != (tt.token == "ya29.new") || strings.Contains(out+errs, "ya29") || !strings.Contains(out, tt.want) {
			t.Errorf("%+v: exit %d\n%s%s", tt, code, out, errs)
		}
	}
}

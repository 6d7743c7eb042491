package main

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestTags: what tag and x_forwarded_to put on a message stands on top, or in the
// envelope, and the octets below are the server's.
func TestTags(t *testing.T) {
	t.Parallel()
	const mail = "DKIM-Signature: v=1\r\nX-Popferry-Account: forged\r\nSubject: 1\r\n\r\n1\r\n"
	pop := testworld.POP3(t, pop3test.Options{}, mail)
	for _, tt := range []struct {
		account, forward   string
		recipient, between string
	}{
		{"", "", "me@example.org", ""},
		{", tag: header", "", "me@example.org", "X-Popferry-Account: isp\r\n"},
		{", tag: plus", "", "me+isp@example.org", ""},
		{", tag: plus", ", x_forwarded_to: true", "me+isp@example.org", "X-Forwarded-To: me+isp@example.org\r\n"},
	} {
		sink := testworld.SMTP(t, smtptest.Options{})
		cfg := testworld.Config(t, "state: popferry.db\naccounts: [{name: isp, %s, tls: none, username: leo, password: secret%s}]\nforward: [{%s, tls: none, to: [me@example.org]%s}]\n",
			testworld.HostPort(t, pop.Addr()), tt.account, testworld.HostPort(t, sink.Addr().String()), tt.forward)
		if code, out, errs := popferry(t, "run", "--once", "--config", cfg); code != exitOK {
			t.Fatalf("%+v: got exit %d\n%s%s", tt, code, out, errs)
		}
		got := sink.Messages()
		if len(got) != 1 || strings.Join(got[0].Recipients, " ") != tt.recipient {
			t.Fatalf("%+v: got %d messages, the first to %v", tt, len(got), got[0].Recipients)
		}
		_, rest, _ := strings.Cut(string(got[0].Data), " +0000\r\n")
		between, rest, _ := strings.Cut(rest, "X-Popferry-Trace: ")
		if _, below, _ := strings.Cut(rest, "\r\n"); between != tt.between || below != mail {
			t.Errorf("%+v: got %q between popferry's lines, and below\n%s", tt, between, below)
		}
	}
}

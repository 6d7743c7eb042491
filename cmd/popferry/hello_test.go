package main

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestPollThroughFirewallThatCutsLongClientHellos: one poll gets the mail through,
// on both sides, with implicit TLS and STARTTLS.
func TestPollThroughFirewallThatCutsLongClientHellos(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	server := &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}
	for mode, implicit := range map[string]bool{"implicit": true, "starttls": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			src := testworld.POP3(t, pop3test.Options{TLS: server, ImplicitTLS: implicit}, testworld.OneMail)
			sink := testworld.SMTP(t, smtptest.Options{TLS: server, Implicit: implicit})
			cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls: %[2]s, tls_ca_file: %[3]q, username: leo, password: secret, leave_on_server: false}
forward:
  - {%[4]s, tls: %[2]s, tls_ca_file: %[3]q, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, certtest.Firewall(t, src.Addr())), mode, authority.File(), testworld.HostPort(t, certtest.Firewall(t, sink.Addr().String())))
			code, out, errs := popferry(t, "run", "--once", "--config", cfg)
			if code != 0 || !strings.Contains(out, "isp: 1 forwarded") || len(src.Messages("leo")) != 0 {
				t.Errorf("got exit %d and %d left on the server, want 0 and none\n%s%s", code, len(src.Messages("leo")), out, errs)
			}
		})
	}
}

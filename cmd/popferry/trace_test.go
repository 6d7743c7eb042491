package main

import (
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The trace has the dialogue of one account, also after STLS, and that of its
// destination, without passwords and mail.
func TestTraceShowsOneAccountWithoutSecrets(t *testing.T) {
	t.Parallel()
	o, ca := withCertificate(t, "localhost", time.Now())
	o.ImplicitTLS = false
	src, sink := testworld.POP3(t, o, testworld.OneMail), testworld.SMTP(t, smtptest.Options{Username: "relay", Password: "opensesame"})
	elsewhere := testworld.SMTP(t, smtptest.Options{})
	for _, auth := range []string{"user", "plain", "login"} {
		cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: starttls, tls_ca_file: %q, username: leo, password: secret, auth: %s}
  - {name: other, %s, tls: starttls, tls_ca_file: %q, username: zoe, password: secret, forward: elsewhere}
forward:
  - {name: main, %s, tls: none, username: relay, password: opensesame, from: me@example.org, to: [me@example.org]}
  - {name: elsewhere, %s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), ca, auth, testworld.HostPort(t, src.Addr()), ca, testworld.HostPort(t, sink.Addr().String()), testworld.HostPort(t, elsewhere.Addr().String()))
		code, _, errs := popferry(t, "run", "--once", "--trace", "isp", "--config", cfg)
		if code != 0 {
			t.Fatalf("got exit %d, want %d\n%s", code, exitOK, errs)
		}
		for _, want := range []string{`account=isp from=popferry line=STLS`, `from=popferry line="RETR 1"`, `octets of a message`, `***`,
			`forward=main connection=1 from=popferry line="AUTH PLAIN ***"`, `connection=1 from=popferry line="MAIL FROM:<me@example.org>`,
			`from=server line="235 `} {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: no %q in\n%s", auth, want, errs)
			}
		}
		for _, hidden := range []string{"secret", "c2VjcmV0", "AGxlbwBzZWNyZXQ", "opensesame", "b3BlbnNlc2FtZQ", "account=other", "forward=elsewhere", "Subject"} {
			if strings.Contains(errs, hidden) {
				t.Errorf("%s: %q is shown in\n%s", auth, hidden, errs)
			}
		}
		if code, _, errs = popferry(t, "run", "--once", "--trace", "nobody", "--config", cfg); code != 64 {
			t.Errorf("got exit %d, want %d\n%s", code, exitUsage, errs)
		}
	}
}

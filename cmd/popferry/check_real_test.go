package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// What check says of Dovecot and Postfix, as they are and with one thing wrong at
// a time.
func TestCheckOnRealServers(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	p := realserver.StartPostfix(t, d)
	d.AddUser("leo", "s3cret")
	p.AddUser("inbox", "in:box")
	d.Seed("leo", letter("leo", 1, 1000), letter("leo", 2, 5000))

	account := fmt.Sprintf("%s, tls: implicit, tls_ca_file: %q, username: leo, password: s3cret", testworld.HostPort(t, d.POP3S()), d.CAFile())
	forward := fmt.Sprintf("%s, tls: starttls, tls_ca_file: %q, username: inbox, password: \"in:box\", to: [inbox@popferry.test]", testworld.HostPort(t, p.Submission()), p.CAFile())
	for _, tt := range []struct {
		name, from, to string // what is replaced by what
		want           string // a cause; "": all is well
	}{
		{"as they are", "", "", ""},
		{"STLS", testworld.HostPort(t, d.POP3S()) + ", tls: implicit", testworld.HostPort(t, d.POP3()) + ", tls: starttls", ""},
		{"LMTP", forward, fmt.Sprintf("host: unix:%s, protocol: lmtp, to: [inbox@popferry.test]", d.LMTPSocket()), ""},
		{"LMTP, a recipient whom nobody knows", forward, fmt.Sprintf("host: unix:%s, protocol: lmtp, to: [nobody@popferry.test]", d.LMTPSocket()), "recipient"},
		{"a wrong password", "password: s3cret", "password: wr0ng", "credentials"},
		{"an unknown authority", fmt.Sprintf(", tls_ca_file: %q, username: leo", d.CAFile()), ", username: leo", "cert_unknown"},
		{"a certificate for another name", "username: leo", "tls_server_name: other.test, username: leo", "cert_name"},
		{"implicit TLS where there is none", testworld.HostPort(t, d.POP3S()), testworld.HostPort(t, d.POP3()), "not_tls"},
		{"a wrong password to send with", "in:box", "in:bax", "forward_auth"},
		{"no login to send with", "username: inbox, password: \"in:box\"", "from: leo@popferry.test", "wants_login"},
		{"a recipient elsewhere", forward, fmt.Sprintf("%s, tls: none, to: [leo@elsewhere.test]", testworld.HostPort(t, p.SMTP())), "relay"},
		{"a recipient whom nobody knows", forward, fmt.Sprintf("%s, tls: none, to: [nobody@popferry.test]", testworld.HostPort(t, p.SMTP())), "recipient"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both := fmt.Sprintf("accounts:\n  - {name: leo, %s}\nforward:\n  - {name: main, %s}\n", account, forward)
			cfg := testworld.Config(t, "state: popferry.db\n%s", strings.Replace(both, tt.from, tt.to, 1))
			wantCode := 0
			if tt.want != "" {
				wantCode = exitAgain
			}
			c := checkJSONOf(t, cfg, wantCode)
			got := ""
			for _, s := range append(c.Accounts, c.Destinations...) {
				for _, st := range s.Steps {
					if got += *st.Cause; !st.OK {
						t.Logf("%s: %s\n> %s", st.Step, *st.Text, *st.Remedy)
					}
				}
			}
			if got != tt.want {
				t.Errorf("causes %q, want %q", got, tt.want)
			}
		})
	}
	if d.Count("leo") != 2 {
		t.Errorf("%d messages are left, want 2", d.Count("leo"))
	}

	cfg := testworld.Config(t, "state: popferry.db\naccounts:\n  - {name: leo, %s}\nforward:\n  - {name: main, %s}\n", account, forward)
	c := checkJSONOf(t, cfg, 0, "--send")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.WaitDelivered(ctx, "inbox", 1); err != nil {
		t.Errorf("%v, want the test message in the inbox: %+v", err, c)
	}
}

// A Postfix that refuses mail whose From header is not its user's, in words that
// mean nothing, is told by what it does: of two test messages one arrives.
func TestCheckFindsPostfixThatRefusesMailFromOthers(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	p := realserver.StartPostfix(t, d, realserver.Config("header_checks = regexp:{{/^From:.*leo@/ REJECT}}"))
	d.AddUser("leo", "s3cret")
	p.AddUser("inbox", "in:box")
	cfg := testworld.Config(t, `state: popferry.db
accounts:
  - {name: leo, %s, tls: implicit, tls_ca_file: %q, username: leo@popferry.test, password: s3cret}
forward:
  - {name: main, %s, tls: starttls, tls_ca_file: %q, username: inbox@popferry.test, password: "in:box", to: [inbox@popferry.test]}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), testworld.HostPort(t, p.Submission()), p.CAFile())
	c := checkJSONOf(t, cfg, exitAgain, "--send")
	steps := c.Destinations[0].Steps
	last := steps[len(steps)-1]
	if *last.Cause != "foreign_from" || !strings.Contains(*last.Text, "550 5.7.1 message content rejected") || !strings.Contains(*last.Remedy, "protocol: imap") {
		t.Errorf("cause %q, %q, %q; want foreign_from with the reply and the remedy", *last.Cause, *last.Text, *last.Remedy)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.WaitDelivered(ctx, "inbox", 1); err != nil {
		t.Errorf("%v, want the message from the inbox's own address: %+v", err, c)
	}
}

package probe_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestLongClientHelloIsTriedOnceMore: at POP3 and SMTP servers, with implicit TLS
// and STARTTLS; each step is reported once.
func TestLongClientHelloIsTriedOnceMore(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	server := &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}
	behindFirewall := func(t *testing.T, addr string, implicit bool) *dial.Dialer {
		mode := dial.StartTLS
		if implicit {
			mode = dial.Implicit
		}
		addr = certtest.Firewall(t, addr)
		d, err := dial.New(dial.Target{Host: "127.0.0.1", Port: port(t, addr), TLS: dial.TLS{Mode: mode, CAFile: authority.File()}})
		check(t, err)
		return d
	}
	for name, tt := range map[string]struct {
		implicit bool
		want     []string // up to the login
	}{
		"implicit": {true, []string{"connect", "tls", "greeting", "login"}},
		"starttls": {false, []string{"connect", "greeting", "tls", "login"}},
	} {
		t.Run("POP3, "+name, func(t *testing.T) {
			t.Parallel()
			srv := mailbox(t, pop3test.Options{Users: map[string]string{"leo": "s3cret"}, TLS: server, ImplicitTLS: tt.implicit})
			var got notes
			check(t, probe.Account(t.Context(), probe.Mailbox{Dialer: behindFirewall(t, srv.Addr(), tt.implicit), Credentials: leo("s3cret")}, got.add))
			got.want(t, append(tt.want, "listing")...)
		})
		t.Run("SMTP, "+name, func(t *testing.T) {
			t.Parallel()
			srv := inbox(t, smtptest.Options{Username: "leo", Password: "s3cret", TLS: server, Implicit: tt.implicit})
			var got notes
			_, err := probe.Destination(t.Context(), probe.Relay{
				Dialer:  behindFirewall(t, srv.Addr().String(), tt.implicit),
				Options: smtp.Options{Username: "leo", Secret: func(context.Context) (string, error) { return "s3cret", nil }},
			}, got.add)
			check(t, err)
			got.want(t, tt.want...)
		})
	}
}

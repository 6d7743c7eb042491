package smtp_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestMechanisms delivers by each mechanism to a server that has it, and learns from
// it that a password or token is wrong.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	const long = "ya29.a0AfH6SM" // and longer than a command below
	for _, tt := range []struct {
		name     string
		offered  string
		method   login.Method
		token    bool
		secure   bool
		said     string // the AUTH that is sent
		password string
	}{
		{"PLAIN", "CRAM-MD5 SCRAM-SHA-256 LOGIN PLAIN", "", false, true, "AUTH PLAIN ***", "s3cret"},
		{"LOGIN", "CRAM-MD5 LOGIN", "", false, true, "AUTH LOGIN", "s3cret"},
		{"CRAM-MD5", "PLAIN CRAM-MD5", login.CRAMMD5, false, true, "AUTH CRAM-MD5", "s3cret"},
		{"CRAM-MD5 in clear", "PLAIN LOGIN CRAM-MD5", "", false, false, "AUTH CRAM-MD5", "s3cret"},
		{"SCRAM-SHA-1", "PLAIN SCRAM-SHA-1", login.SCRAMSHA1, false, true, "AUTH SCRAM-SHA-1 ***", "pass wörd"},
		{"SCRAM-SHA-256", "PLAIN SCRAM-SHA-256", login.SCRAMSHA256, false, true, "AUTH SCRAM-SHA-256 ***", "pass wörd"},
		{"SCRAM in clear", "PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "", false, false, "AUTH SCRAM-SHA-256 ***", "s3cret"},
		{"XOAUTH2", "PLAIN XOAUTH2 OAUTHBEARER", "", true, true, "AUTH XOAUTH2 ***", long},
		{"XOAUTH2, a long token", "PLAIN XOAUTH2", "", true, true, "AUTH XOAUTH2", strings.Repeat(long, 100)},
		{"OAUTHBEARER", "PLAIN OAUTHBEARER", "", true, true, "AUTH OAUTHBEARER ***", long},
		{"OAUTHBEARER, a long token", "OAUTHBEARER", "", true, true, "AUTH OAUTHBEARER", strings.Repeat(long, 100)},
		{"EXTERNAL", "PLAIN EXTERNAL", login.External, false, true, "AUTH EXTERNAL ***", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, client := certificates(t)
			o := smtptest.Options{Username: "leo", Password: tt.password, Mechanisms: strings.Fields(tt.offered)}
			if tt.secure {
				o.TLS, o.Implicit = server, true
			}
			srv := serve(t, o)
			var tr transcript
			with := func(secret string) *smtp.Pool {
				o := smtp.Options{Dial: srv.Dial, Username: "leo", Auth: tt.method, Token: tt.token, Trace: tr.trace}
				if tt.secure {
					o.Dial = dialTLS(srv, client)
				}
				o.Secret = func(context.Context) (string, error) { return secret, nil }
				return pool(t, o)
			}
			out, err := deliver(t.Context(), with(tt.password), message("a: b\r\n\r\nhi\r\n"), ready)
			if err != nil || len(out) != 1 || out[0].Kind != forwarder.Accepted {
				t.Errorf("got %s and %v", describe(out), err)
			}
			if dialogue := tr.String(); !strings.Contains(dialogue, "C: "+tt.said+"\n") || strings.Contains(dialogue, long) {
				t.Errorf("the dialogue has no %q, or shows the token:\n%s", tt.said, dialogue)
			}
			if tt.method == login.External {
				return // there is no secret
			}
			err = with("wr0ng-secret").Check(t.Context())
			if got := text(err); !strings.HasPrefix(got, "auth: 535 5.7.8 ") || strings.Contains(got, "wr0ng") || strings.Contains(got, "mail.google.com") != tt.token {
				t.Errorf("with a wrong secret: got %q", got)
			}
		})
	}
}

// TestTokenEnds: a token that has ended costs no delivery.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	srv := serve(t, smtptest.Options{Username: "leo", Password: "second", Mechanisms: []string{"XOAUTH2"}, TLS: server, Implicit: true})
	var runs atomic.Int32
	p := pool(t, smtp.Options{Dial: dialTLS(srv, client), Username: "leo", Token: true, Secret: func(context.Context) (string, error) {
		return []string{"first", "second"}[min(runs.Add(1), 2)-1], nil
	}})
	out, err := deliver(t.Context(), p, message("a: b\r\n\r\nhi\r\n"), ready)
	if err != nil || len(out) != 1 || out[0].Kind != forwarder.Accepted || runs.Load() != 2 {
		t.Errorf("got %s and %v after %d tokens", describe(out), err, runs.Load())
	}
}

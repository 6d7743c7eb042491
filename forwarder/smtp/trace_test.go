package smtp_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// transcript is what a trace was told.
type transcript struct {
	mu          sync.Mutex
	connections int
	text        strings.Builder
}

// trace is for Options.Trace.
func (tr *transcript) trace() func(sent bool, line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.connections++
	return func(sent bool, line string) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		from := "S"
		if sent {
			from = "C"
		}
		fmt.Fprintf(&tr.text, "%s: %s\n", from, line)
	}
}

// String is all of it.
func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// TestTraceScripts: the dialogue is reported as it was, except for secrets and
// messages.
func TestTraceScripts(t *testing.T) {
	t.Parallel()
	plain := encode("\x00leo\x00s3cret")
	for name, tt := range map[string]struct {
		method login.Method
		script string
		want   string
	}{
		"PLAIN": {
			script: offers("PLAIN") + "C: AUTH PLAIN " + plain + "\n S: 235 welcome\n" + envelopeOf(go354+line+"C: .\n"+ok) + bye,
			want: "S: 220 mx\nC: EHLO client.example\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN ***\nS: 235 welcome\n" +
				"C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go ahead\n" +
				"C: (7 octets of a message)\nS: 250 ok\nC: QUIT\n",
		},
		"LOGIN, the reply repeats the password": {
			method: login.Login,
			script: offers("LOGIN") + "C: AUTH LOGIN\n S: 334 " + encode("Username:") + "\n C: " + encode("leo") + "\n S: 334 " + encode("Password:") + "\n C: " + encode("s3cret") +
				"\n S: 535-s3cret\\r\\n535 is wrong, and so is " + encode("s3cret") + "\n C: *\n S: 500 what?\n C!",
			want: "S: 220 mx\nC: EHLO client.example\nS: 250-mx\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 ***\nC: ***\nS: 334 ***\nC: ***\n" +
				"S: 535-***\nS: 535 is wrong, and so is ***\nC: *\nS: 500 what?\n",
		},
		"the message is not wanted": {
			script: offers("PLAIN") + "C: AUTH PLAIN " + plain + "\n S: 235 welcome\n" + envelopeOf("S: 554 \x1b[31mno\n") + "C: QUIT\n C!",
			want: "S: 220 mx\nC: EHLO client.example\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN ***\nS: 235 welcome\n" +
				"C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 554 ?[31mno\nC: QUIT\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.script)
				var tr transcript
				o := options(peer)
				o.Username, o.Auth, o.Trace = "leo", tt.method, tr.trace
				o.Secret = func(context.Context) (string, error) { return "s3cret", nil }
				p := smtp.New(o)
				_, err := deliver(t.Context(), p, message("hi\r\n"), ready)
				if err != nil {
					t.Error(err)
				}
				_ = p.Close()
				peer.done()
				if got := tr.String(); got != tt.want {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
			})
		})
	}
}

// envelopeOf is a transaction up to the reply to DATA, and what follows.
func envelopeOf(reply string) string {
	return "C: MAIL FROM:<a@example.org>\n S: 250 ok\n C: RCPT TO:<b@example.org>\n S: 250 ok\n C: DATA\n " + reply
}

// TestTraceTransports: over every kind of connection the dialogue is reported and
// nothing of the messages, which arrive as they do without a trace.
func TestTraceTransports(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	spoken := regexp.MustCompile(`(?m)^C: ((EHLO|LHLO|MAIL|RCPT|BDAT) .*|DATA|STARTTLS|RSET|QUIT|AUTH PLAIN \*\*\*|\(\d+ octets of a message\))$`)
	for name, o := range map[string]smtptest.Options{
		"CHUNKING":         {},
		"STARTTLS":         {TLS: server, Username: "leo", Password: "s3cret"},
		"TLS":              {TLS: server, Implicit: true, Username: "leo", Password: "s3cret"},
		"PIPELINING":       {Hide: []string{"CHUNKING"}},
		"neither":          {Hide: []string{"CHUNKING", "PIPELINING"}},
		"LMTP":             {LMTP: true},
		"many connections": {PerConnection: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, o)
			var tr transcript
			po := smtp.Options{Dial: srv.Dial, LMTP: o.LMTP, Username: o.Username, Trace: tr.trace,
				Secret: func(context.Context) (string, error) { return o.Password, nil }}
			switch {
			case o.Implicit:
				po.Dial = dialTLS(srv, client)
			case o.TLS != nil:
				po.StartTLS = upgrade(client)
			}
			p := pool(t, po)
			for i := range uint64(5) {
				text := ".\r\n..\r\n\r\n.\r\n" + mailText(i)
				out, err := deliver(t.Context(), p, message(text), ready)
				if err != nil || out[0].Kind != forwarder.Accepted || string(srv.Messages()[i].Data) != text {
					t.Fatalf("message %d: %v, %v", i, out, err)
				}
			}
			_ = p.Close()
			got := tr.String()
			for said := range strings.Lines(got) {
				if strings.HasPrefix(said, "C: ") && !spoken.MatchString(said) {
					t.Errorf("popferry said %.100q", said)
				}
			}
			// By BDAT one more may be on its way when the server ends the session at its
			// MAIL, whole or cut off.
			if n, more := strings.Count(got, "octets of a message)"), strings.Count(got, "S: 421 "); n < 5 || n > 5+more {
				t.Errorf("%d messages, want 5 to %d, in\n%s", n, 5+more, got)
			}
			if n := strings.Count(got, "S: 220 "); tr.connections != srv.Connections() || n < tr.connections {
				t.Errorf("%d connections are reported, with %d greetings; want %d", tr.connections, n, srv.Connections())
			}
		})
	}
}

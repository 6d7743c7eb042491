package realserver

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// submit logs in as leo with the password "secret".
func submit(tb testing.TB, p *Postfix) *dialog {
	tb.Helper()
	c := talk(tb, p.Submission())
	c.expect("220")
	c.ask("250", "EHLO test")
	c.ask("220", "STARTTLS")
	c.encrypt(p.CAFile())
	c.ask("250", "EHLO test")
	c.ask("235", "AUTH PLAIN AGxlbwBzZWNyZXQ=")
	return c
}

func TestSubmission(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	p := StartPostfix(t, d)
	p.AddUser("leo", "secret")
	want := hostile()
	c := submit(t, p)
	for _, m := range want {
		c.ask("250", "MAIL FROM:<leo@popferry.test> BODY=8BITMIME")
		c.ask("250", "RCPT TO:<leo@popferry.test>")
		c.ask("354", "DATA")
		c.send(m)
		c.expect("250")
	}
	c.ask("221", "QUIT")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	check(t, p.WaitDelivered(ctx, "leo", len(want)))
	if n := p.Count("leo"); n != len(want) {
		t.Errorf("%d messages, want %d", n, len(want))
	}
	got := slices.Collect(p.Delivered("leo"))
	slices.SortFunc(got, bytes.Compare) // Postfix delivers several at once
	slices.SortFunc(want, bytes.Compare)
	same(t, got, want)
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	p := StartPostfix(t, StartDovecot(t))
	p.AddUser("leo", "secret")
	c := talk(t, p.SMTPS())
	c.encrypt(p.CAFile())
	c.expect("220")
	offer := c.ask("250", "EHLO test")
	for _, want := range []string{"PIPELINING", "SIZE 536870912", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES",
		"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"} {
		if !strings.Contains(offer, want) {
			t.Errorf("got %q, want %s in it", offer, want)
		}
	}
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	d := StartDovecot(t)
	p := StartPostfix(t, d)
	p.AddUser("leo", "secret")
	p.AddUser("mia", "secret") // the table is changed while the server runs

	c := talk(t, p.SMTP())
	c.expect("220")
	if offer := c.ask("250", "EHLO test"); strings.Contains(offer, "AUTH") {
		t.Errorf("without TLS: got %q, want no AUTH", offer)
	}
	c.ask("250", "MAIL FROM:<>")
	c.ask("250", "RCPT TO:<leo@popferry.test>")
	c.ask("250", "RCPT TO:<mia@popferry.test>")
	c.ask("550 5.1.1", "RCPT TO:<nobody@popferry.test>")
	c.ask("554 5.7.1", "RCPT TO:<somebody@example.org>")

	c = talk(t, p.Submission())
	c.expect("220")
	c.ask("250", "EHLO test")
	c.ask("530", "MAIL FROM:<>")
	c.ask("220", "STARTTLS")
	c.encrypt(p.CAFile())
	c.ask("250", "EHLO test")
	c.ask("535", "AUTH PLAIN AGxlbwB3cm9uZw==")
	c.ask("250", "MAIL FROM:<>")
	c.ask("554", "RCPT TO:<leo@popferry.test>")
}

func TestWaitDeliveredEnds(t *testing.T) {
	t.Parallel()
	p := StartPostfix(t, StartDovecot(t))
	p.AddUser("leo", "secret")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitDelivered(ctx, "leo", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want an error that wraps the end of the context", err)
	}
}

func TestPostfixOutage(t *testing.T) {
	t.Parallel()
	p := StartPostfix(t, StartDovecot(t))
	p.AddUser("leo", "secret")
	p.Stop()
	p.Start()
	submit(t, p).ask("221", "QUIT")
}

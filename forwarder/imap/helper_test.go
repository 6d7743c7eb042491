package imap_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// serve returns a server in memory, which is closed at the end of the test.
func serve(t *testing.T, o imaptest.Options) *imaptest.Server {
	t.Helper()
	s := imaptest.New(o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newPool returns a pool for a server, which is closed at the end of the test.
func newPool(t *testing.T, s *imaptest.Server, change ...func(*imap.Options)) *imap.Pool {
	t.Helper()
	o := imap.Options{Dial: s.Pipe, Username: "leo", Secret: secret("geheim123")}
	for _, c := range change {
		c(&o)
	}
	p := imap.New(o)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// secret is a password to log in with.
func secret(text string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, nil }
}

// mail returns a message with a trace and a Message-ID.
func mail(id, text string) *forwarder.Message {
	return message(fmt.Sprintf("Received: from pop.example (account a)\r\n\tby popferry with POP3 id %[1]s;\r\n\tThu, 26 Nov 2026 12:00:00 +0000\r\n"+
		"X-Popferry-Trace: id=%[1]s; account=00\r\nDate: Thu, 26 Nov 2026 11:00:00 +0000\r\nFrom: a@example.org\r\nMessage-ID: <%[1]s@example.org>\r\n\r\n%[2]s\r\n", id, text))
}

// message returns a message to one recipient.
func message(text string) *forwarder.Message {
	return &forwarder.Message{
		Recipients: []string{"INBOX"}, Size: int64(len(text)),
		Body: func() io.Reader { return strings.NewReader(text) },
	}
}

// octets are those of a message.
func octets(m *forwarder.Message) string {
	b, _ := io.ReadAll(m.Body())
	return string(b)
}

// ready is a begin that has nothing to say.
func ready(context.Context, forwarder.Mark) error { return nil }

// deliver takes one message from Submit to Done.
func deliver(ctx context.Context, p *imap.Pool, m *forwarder.Message) (forwarder.Outcome, forwarder.Mark, error) {
	d := p.Submit(m)
	defer d.Done()
	var at forwarder.Mark
	out, err := d.Wait(ctx, func(_ context.Context, mark forwarder.Mark) error {
		at = mark
		return nil
	})
	if err != nil {
		return forwarder.Outcome{}, at, err
	}
	return out[0], at, nil
}

// wantOutcome delivers a message and compares what becomes of it, as describe has it.
func wantOutcome(t *testing.T, p *imap.Pool, m *forwarder.Message, want string) forwarder.Mark {
	t.Helper()
	o, at, err := deliver(t.Context(), p, m)
	if got := describe(o); got != want || err != nil {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
	return at
}

// describe is an outcome in a line.
func describe(o forwarder.Outcome) string {
	codes := ""
	if o.Translated && o.Code != 0 {
		codes = fmt.Sprintf("%d %v ", o.Code, o.Enhanced)
	}
	return fmt.Sprintf("%v %v %s%s", o.Kind, o.Stage, codes, o.Reply())
}

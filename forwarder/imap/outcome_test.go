package imap_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// TestOutcome has the answers of servers to APPEND, before and after the message,
// and what they mean.
func TestOutcome(t *testing.T) {
	t.Parallel()
	const throttle = "BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"
	for _, tt := range []struct {
		reply, before, after string // the outcome before the message was sent, and after it
	}{
		{"NO [OVERQUOTA] Quota exceeded", "refused data 552 5.2.2 ", "refused dot 552 5.2.2 "},
		{"NO Quota exceeded (mailbox for user is full)", "refused data 552 5.2.2 ", "refused dot 552 5.2.2 "},
		{"NO [TOOBIG] too big", "refused data 552 5.3.4 ", "refused dot 552 5.3.4 "},
		{"BAD Message too large TOOBIG", "refused data 552 5.3.4 ", "refused dot 552 5.3.4 "},
		{"NO Maximum size of appendable message has been exceeded", "refused data 552 5.3.4 ", "refused dot 552 5.3.4 "},
		{"NO [INUSE] busy", "refused data 451 4.3.2 ", "refused dot 451 4.3.2 "},
		{"NO [LIMIT] enough", "refused data 451 4.3.2 ", "refused dot 451 4.3.2 "},
		{"NO [UNAVAILABLE] later", "refused data 451 4.3.0 ", "refused dot 451 4.3.0 "},
		{"NO [SERVERBUG] oops", "refused data 451 4.3.0 ", "refused dot 451 4.3.0 "},
		{"NO [OVERQUOTA] Account exceeded command or bandwidth limits", "refused data 451 4.3.2 ", "refused dot 451 4.3.2 "},
		{throttle, "refused data 451 4.3.2 ", "refused dot 451 4.3.2 "},
		{"NO [TRYCREATE] no such folder", "refused rcpt 550 5.1.1 ", "refused rcpt 550 5.1.1 "},
		{"NO [NONEXISTENT] no such folder", "refused rcpt 550 5.1.1 ", "refused rcpt 550 5.1.1 "},
		{"NO Mailbox doesn't exist: INBOX", "refused rcpt 550 5.1.1 ", "refused dot 450 4.0.0 "},
		{"NO [NOPERM] not yours", "refused rcpt 550 5.7.1 ", "refused rcpt 550 5.7.1 "},
		{"NO [READ-ONLY] only to read", "refused rcpt 550 5.2.1 ", "refused rcpt 550 5.2.1 "},
		{"NO [CANNOT] never", "refused data 554 5.3.3 ", "refused dot 554 5.3.3 "},
		{"NO Message contains bare newlines", "refused data 554 5.6.0 ", "refused dot 554 5.6.0 "},
		{"NO Message contains NUL characters", "refused data 554 5.6.0 ", "refused dot 554 5.6.0 "},
		{"NO Append failed", "refused data 450 4.0.0 ", "refused dot 450 4.0.0 "},
		{"NO [X-UNHEARD-OF] Append failed", "refused data 450 4.0.0 ", "refused dot 450 4.0.0 "},
		{"BAD what?", "refused data 500 5.5.2 ", "refused dot 450 4.0.0 "},
	} {
		t.Run(tt.reply, func(t *testing.T) {
			t.Parallel()
			for command, want := range map[string]string{"APPEND": tt.before, "MESSAGE": tt.after} {
				s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
					if e.Command == command {
						return imaptest.Fault{Reply: tt.reply}
					}
					return imaptest.Fault{}
				}})
				o, _, err := deliver(t.Context(), newPool(t, s), mail("one", "hi"))
				if got := describe(o); got != want+tt.reply || err != nil {
					t.Errorf("at %s: got %q and %v, want %q", command, got, err, want+tt.reply)
				}
				wait := time.Duration(0)
				if tt.reply == throttle {
					wait = 92415 * time.Millisecond
				}
				if o.RetryAfter != wait {
					t.Errorf("at %s: to be tried after %v, want %v", command, o.RetryAfter, wait)
				}
			}
		})
	}
}

// TestUnexplained: only a NO without a reason, after the message, is one.
func TestUnexplained(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "MESSAGE" {
			return imaptest.Fault{Reply: "NO Append failed"}
		}
		return imaptest.Fault{}
	}})
	o, _, err := deliver(t.Context(), newPool(t, s), mail("one", "hi"))
	if !o.Unexplained() || err != nil {
		t.Errorf("got %+v and %v", o, err)
	}
}

// TestOneOutcomePerRecipient: IMAP has none, but whoever asks gets as many answers.
func TestOneOutcomePerRecipient(t *testing.T) {
	t.Parallel()
	p := newPool(t, serve(t, imaptest.Options{}))
	m := mail("one", "hi")
	m.Recipients = []string{"a@example.org", "b@example.org"}
	d := p.Submit(m)
	defer d.Done()
	out, err := d.Wait(t.Context(), ready)
	if err != nil || len(out) != 2 || out[0].Recipient != "a@example.org" || out[1].Recipient != "b@example.org" || out[1].Kind != forwarder.Accepted {
		t.Errorf("got %+v and %v", out, err)
	}
}

// failingReader gives its text, and then fails.
type failingReader struct {
	io.Reader
	err error
}

func (f failingReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = f.err
	}
	return n, err
}

// TestBodyThatIsNotWhatItSaid: a body that cannot be read to its end, or has another
// size, never gets to its end by accident, and the error is popferry's own.
func TestBodyThatIsNotWhatItSaid(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	text := octets(mail("one", strings.Repeat("x", 100_000)))
	for name, tt := range map[string]struct {
		size int
		body func() io.Reader
	}{
		"shorter":      {len(text) + 1, func() io.Reader { return strings.NewReader(text) }},
		"longer":       {len(text) - 1, func() io.Reader { return strings.NewReader(text) }},
		"much longer":  {10, func() io.Reader { return strings.NewReader(text) }},
		"empty":        {len(text), func() io.Reader { return strings.NewReader("") }},
		"unreadable":   {len(text) + 10, func() io.Reader { return failingReader{strings.NewReader(text), broken} }},
		"a silent NUL": {4, func() io.Reader { return strings.NewReader("a\x00b\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, caps := range [][]string{nil, {"LITERAL+"}} {
				s := imaptest.New(imaptest.Options{Caps: caps})
				p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo", Secret: secret("geheim123")})
				wantOutcome(t, p, mail("before", "hi"), "accepted dot 250 2.0.0 OK done")
				o, _, err := deliver(t.Context(), p, &forwarder.Message{Size: int64(tt.size), Body: tt.body})
				if err == nil || !strings.Contains(err.Error(), "reading the message") {
					t.Errorf("got %v and %v, want an error of reading", describe(o), err)
				}
				if name == "unreadable" && !errors.Is(err, broken) {
					t.Errorf("got %v, want the reader's error", err)
				}
				wantOutcome(t, p, mail("after", "hi"), "accepted dot 250 2.0.0 OK done")
				_ = p.Close()
				_ = s.Close()
				if n := len(s.Messages("INBOX")); n != 2 {
					t.Errorf("%d messages were stored, want 2", n)
				}
				if n := s.Connections(); n != 2 {
					t.Errorf("%d connections, want 2", n)
				}
			}
		})
	}
}

package pop3

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

func TestCommandsAndReplies(t *testing.T) {
	t.Parallel()
	c := ready(t,
		"C: NOOP", "S: +ok",
		"C: DELE 1", "S: +OKmessage 1 deleted",
		"C: DELE 9", "S: -err no such message",
		"C: QUIT", "S: +OK bye")
	ctx := t.Context()
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Dele(ctx, 1); err != nil {
		t.Error(err)
	}
	if e := refused(t, c.Dele(ctx, 9)); e.Kind() != KindGone || e.Command != "DELE 9" {
		t.Errorf("DELE 9: %+v", e)
	}
	if err := c.Err(); err != nil {
		t.Errorf("the session is broken: %v", err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Noop(ctx); err != errClosed || c.Err() != errClosed {
		t.Errorf("after QUIT: %v, %v", err, c.Err())
	}
}

func TestGreeting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
		err   error
	}{
		{"plain", []string{"S: +OK hello"}, "hello", nil},
		{"empty", []string{"S: +OK"}, "", nil},
		{"LF only", []string{"R: +OK hello\n"}, "hello", nil},
		{"Latin-1", []string{"S: +OK gr\xfc\xdfe"}, "grüße", nil},
		{"control characters", []string{"S: +OK a\x1b[31mb"}, "a?[31mb", nil},
		{"four kilobytes", []string{"S: +OK " + strings.Repeat("x", 4000)}, strings.Repeat("x", 1021) + "...", nil},
		{"SMTP", []string{"S: 220 mail.example.net ESMTP"}, "", errProtocol},
		{"IMAP", []string{"S: * OK ready"}, "", errProtocol},
		{"TLS", []string{"R: \x15\x03\x01\x00\x02\x02\x0a\r\n"}, "", errProtocol},
		{"nothing", []string{"X:"}, "", errEOF},
		{"half a line", []string{"R: +OK hel", "X:"}, "", errEOF},
		{"a line without an end", []string{"R: +OK " + strings.Repeat("x", 100_000)}, "", errProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := play(t, Options{}, tt.lines...)
			got, err := c.greeting(t.Context())
			if tt.err != nil {
				broken(t, c, err, tt.err)
				return
			}
			if got != tt.want || err != nil {
				t.Errorf("greeting %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestGreetingRefused(t *testing.T) {
	t.Parallel()
	c := play(t, Options{}, "S: -ERR too many connections")
	_, err := c.greeting(t.Context())
	if e := refused(t, err); e.Kind() != KindTooOften {
		t.Errorf("kind %v", e.Kind())
	}
	// Nothing is sent to a server that has refused, above all no password.
	if err := c.login(t.Context(), Credentials{Username: "u", Secret: password("p")}); err != c.Err() {
		t.Errorf("login after the refusal: %v", err)
	}
}

// What goes wrong on the wire ends the session, whatever command it was.
func TestWireErrorBreaksSession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string // after NOOP
		want  error
	}{
		{"end of connection", []string{"X:"}, errEOF},
		{"garbage", []string{"S: 250 what?"}, errProtocol},
		{"an empty line", []string{"S: "}, errProtocol},
		{"a challenge", []string{"S: + "}, errProtocol},
		{"a line without an end", []string{"R: +OK " + strings.Repeat("x", 100_000)}, errProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, append([]string{"C: NOOP"}, tt.lines...)...)
			broken(t, c, c.Noop(t.Context()), tt.want)
		})
	}
}

// An unsolicited reply would be taken for that of the next command.
func TestUnsolicitedReply(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: NOOP", "S: +OK", "S: +OK one too many")
	if err := c.Noop(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := c.Dele(t.Context(), 1)
	broken(t, c, err, errProtocol)
	if !strings.Contains(err.Error(), "one too many") {
		t.Errorf("the error does not show what came: %v", err)
	}
}

func TestQuit(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		c := ready(t, "C: QUIT", "S: -ERR some deleted messages not removed")
		refused(t, c.Quit(t.Context()))
		if c.Err() != errClosed {
			t.Errorf("the session goes on: %v", c.Err())
		}
	})
	t.Run("end of connection instead of the reply", func(t *testing.T) {
		t.Parallel()
		c := ready(t, "C: QUIT", "X:")
		broken(t, c, c.Quit(t.Context()), errEOF)
	})
}

// A context that ends ends any wait, and the error is its cause.
func TestEndOfContextEndsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := ready(t, "C: NOOP")
		cause := errors.New("the daemon stops")
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- c.Noop(ctx) }()
		synctest.Wait() // for the reply
		cancel(cause)
		broken(t, c, <-result, cause)
	})
}

// A context that has ended before the call does no harm: nothing was sent.
func TestEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: QUIT", "S: +OK")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Dele(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Errorf("the session is broken: %v", err)
	}
}

// Close ends a call that waits in another goroutine.
func TestCloseEndsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := ready(t, "C: NOOP")
		result := make(chan error, 1)
		go func() { result <- c.Noop(t.Context()) }()
		synctest.Wait() // for the reply
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		broken(t, c, <-result, errClosed)
		if err := c.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		entry Entry
		lines []string
		err   error
	}{
		{"by UID", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: +OK 2 abc"}, nil},
		{"by UID, other spacing", Entry{2, "a c", 10}, []string{"C: UIDL 2", "S: +OK  2\ta c "}, nil},
		{"by UID without the number", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: +OK abc"}, nil},
		{"by size", Entry{2, "", 10}, []string{"C: LIST 2", "S: +OK 2 10"}, nil},
		{"by size, UIDL being answered in another form", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: +OK your message has", "C: LIST 2", "S: +OK 2 10"}, nil},
		{"by size, UIDL being refused", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: -ERR no such command", "C: LIST 2", "S: +OK 2 10"}, nil},
		{"by size, the UID being a number", Entry{2, "7", 10}, []string{"C: UIDL 2", "S: +OK 7", "C: LIST 2", "S: +OK 2 10"}, nil},
		{"a number that may be anything", Entry{2, "7", 10}, []string{"C: UIDL 2", "S: +OK 7", "C: LIST 2", "S: +OK 2 7"}, errProtocol},
		{"the rest of a message", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: +OK line after", "C: LIST 2", "S: +OK 2 abc"}, errProtocol},
		{"the rest of a message looks like a refusal", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: -ERR line after", "C: LIST 2", "S: +OK 2 abc"}, errProtocol},
		{"the UID is also the size", Entry{2, "10", 10}, []string{"C: UIDL 2", "S: +OK line after", "C: LIST 2", "S: +OK 2 10"}, errProtocol},
		{"the rest of a message, without a size", Entry{2, "abc", -1}, []string{"C: UIDL 2", "S: +OK line after"}, errProtocol},
		{"another UID", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: +OK 2 abd", "C: LIST 2", "S: -ERR no"}, errProtocol},
		{"another size", Entry{2, "", 10}, []string{"C: LIST 2", "S: +OK 2 11"}, errProtocol},
		{"another number", Entry{2, "abc", 10}, []string{"C: UIDL 2", "S: +OK 3 abc", "C: LIST 2", "S: +OK 3 10"}, errProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, tt.lines...)
			err := c.Confirm(t.Context(), tt.entry)
			if tt.err != nil {
				broken(t, c, err, tt.err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	c := ready(t, "C: UIDL 2", "S: -ERR no such message", "C: LIST 2", "S: +OK 2 11")
	refused(t, c.Confirm(t.Context(), Entry{2, "abc", 10}))
	if err := c.Confirm(t.Context(), Entry{2, "", -1}); err == nil || c.Err() != nil {
		t.Errorf("nothing to confirm by: %v, %v", err, c.Err())
	}
}

func TestArgumentWithLineBreak(t *testing.T) {
	t.Parallel()
	c := ready(t)
	for _, cr := range []Credentials{
		{Method: MethodUser, Username: "u\r\nQUIT", Secret: password("p")},
		{Method: MethodUser, Username: "u", Secret: password("p\nQUIT")},
		{Method: MethodPlain, Username: "u", Secret: password("p\x00q")},
	} {
		if err := c.login(t.Context(), cr); !errors.Is(err, errLine) {
			t.Errorf("%q: error %v, want %v", cr.Username, err, errLine)
		}
	}
	if c.Err() != nil {
		t.Errorf("the session is broken: %v", c.Err())
	}
}

package pop3

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ahead sends commands; they have to be accepted.
func ahead(t *testing.T, c *Client, cmds ...Command) {
	t.Helper()
	if err := c.Ahead(t.Context(), cmds...); err != nil {
		t.Fatal(err)
	}
}

// message reads a message; it has to be whole.
func message(t *testing.T, c *Client, n int) string {
	t.Helper()
	b, err := c.Retr(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// noop is NOOP, which no caller sends ahead.
var noop = Command{"NOOP", shapeLine}

// All that can be sent ahead, claimed by its method, in order; sent once.
func TestAhead(t *testing.T) {
	t.Parallel()
	lines := []string{
		"C: CAPA", "C: UIDL", "C: LIST", "C: UIDL", "C: LIST", "C: RETR 1", "C: UIDL 1", "C: LIST 2", "C: TOP 2 5", "C: DELE 1", "C: NOOP", "C: QUIT",
		"S: +OK", "S: TOP", "S: .", "S: +OK", "S: 1 a", "S: .", "S: +OK", "S: 1 10", "S: .",
		"S: +OK", "S: 1 a", "S: .", "S: +OK", "S: 1 10", "S: .",
		"S: +OK", "S: one", "S: .", "S: +OK 1 a", "S: +OK 2 20", "S: +OK", "S: two", "S: .", "S: +OK", "S: +OK", "S: +OK",
	}
	c := ready(t, lines...)
	byUID, bySize := Entry{1, "a", 10}, Entry{2, "", 20}
	ahead(t, c, capaCommand(), uidlCommand(), listCommand(), uidlCommand(), listCommand(), RetrCommand(1), ConfirmCommand(byUID),
		ConfirmCommand(bySize), TopCommand(2, 5), DeleCommand(1), noop, QuitCommand())
	ctx := t.Context()
	for i, claim := range []func() error{
		func() error { _, err := c.capa(ctx); return err },
		func() error { _, err := c.Listing(ctx); return err },
		func() error { _, err := c.uidl(ctx); return err },
		func() error { _, err := c.List(ctx); return err },
		func() error { message(t, c, 1); return nil },
		func() error { return c.Confirm(ctx, byUID) },
		func() error { return c.Confirm(ctx, bySize) },
		func() error { b, err := c.Top(ctx, 2, 5); _, _ = io.Copy(io.Discard, b); return err },
		func() error { return c.Dele(ctx, 1) },
		func() error { return c.Noop(ctx) },
		func() error { return c.Quit(ctx) },
	} {
		if err := claim(); err != nil {
			t.Fatalf("claim %d: %v", i, err)
		}
	}
	if c.Outstanding() != 0 || c.Err() != errClosed {
		t.Errorf("%d outstanding, %v", c.Outstanding(), c.Err())
	}
}

// writes counts the writes to a connection.
type writes struct {
	net.Conn
	n int
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	return w.Conn.Write(p)
}

func TestAheadInOnePiece(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: RETR 1", "C: RETR 2", "C: NOOP")
	w := &writes{Conn: c.conn}
	c.conn = w
	ahead(t, c, RetrCommand(1), RetrCommand(2), noop)
	if w.n != 1 || c.Outstanding() != 3 {
		t.Errorf("%d writes, %d outstanding", w.n, c.Outstanding())
	}
	ahead(t, c)
	if w.n != 1 {
		t.Error("no commands are written")
	}
}

// While a body is read, the next ones are asked for.
func TestAheadBodyOpen(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: RETR 1", "S: +OK", "S: one", "C: RETR 2", "C: UIDL 2", "S: .", "S: +OK", "S: two", "C: RETR 3", "S: .", "S: +OK 2 b",
		"S: -ERR gone", "C: NOOP", "S: +OK")
	b, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ahead(t, c, RetrCommand(2), ConfirmCommand(Entry{2, "b", 5}))
	if _, err := c.Retr(t.Context(), 2); !errors.Is(err, errBodyOpen) {
		t.Errorf("a claim while a body is open: %v", err)
	}
	if err := c.Skip(t.Context(), much); !errors.Is(err, errBodyOpen) {
		t.Errorf("Skip while a body is open: %v", err)
	}
	if got, err := io.ReadAll(b); string(got) != "one\r\n" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if b, err = c.Retr(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	ahead(t, c, RetrCommand(3))
	if got, err := io.ReadAll(b); string(got) != "two\r\n" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if err := c.Confirm(t.Context(), Entry{2, "b", 5}); err != nil {
		t.Error(err)
	}
	_, err = c.Retr(t.Context(), 3)
	if refused(t, err).Command != "RETR 3" {
		t.Errorf("error %v, want that of RETR 3", err)
	}
	if err := c.Noop(t.Context()); err != nil || c.Outstanding() != 0 {
		t.Errorf("%v, %d outstanding; want none", err, c.Outstanding())
	}
}

// Mistakes of the caller: nothing is sent, nothing breaks.
func TestAheadMistakesSendNothing(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: DELE 1", "C: QUIT", "S: +OK", "S: +OK")
	ctx := t.Context()
	if err := c.Skip(ctx, much); !errors.Is(err, errAhead) {
		t.Errorf("nothing to skip: %v", err)
	}
	ahead(t, c, DeleCommand(1), QuitCommand())
	credentials := Credentials{Username: "leo", Secret: func(context.Context) (string, error) { t.Error("the password is asked for"); return "", nil }}
	for name, call := range map[string]func() error{
		"another argument":  func() error { return c.Dele(ctx, 2) },
		"another command":   func() error { return c.Noop(ctx) },
		"one further back":  func() error { return c.Quit(ctx) },
		"Retr":              func() error { _, err := c.Retr(ctx, 1); return err },
		"Listing":           func() error { _, err := c.Listing(ctx); return err },
		"Capa":              func() error { _, err := c.capa(ctx); return err },
		"Login":             func() error { return c.login(ctx, credentials) },
		"StartTLS":          func() error { return c.startTLS(ctx, upgrade(clientTLS())) },
		"Greeting":          func() error { _, err := c.greeting(ctx); return err },
		"behind QUIT":       func() error { return c.Ahead(ctx, noop) },
		"QUIT in front":     func() error { return c.Ahead(ctx, QuitCommand(), noop) },
		"none":              func() error { return c.Ahead(ctx, Command{}) },
		"nothing confirmed": func() error { return c.Ahead(ctx, ConfirmCommand(Entry{1, "", -1})) },
		"too many":          func() error { return c.Ahead(ctx, make([]Command, MaxAhead)...) },
	} {
		if err := call(); !errors.Is(err, errAhead) || c.Err() != nil || c.Outstanding() != 2 {
			t.Errorf("%s: %v; session %v, %d outstanding; want errAhead, no error and 2", name, err, c.Err(), c.Outstanding())
		}
	}
	if err := c.Dele(ctx, 1); err != nil {
		t.Error(err)
	}
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Ahead(ctx, noop); err != errClosed {
		t.Errorf("after QUIT: %v", err)
	}
}

// The longest lines fit into what MaxAhead promises.
func TestMaxAhead(t *testing.T) {
	t.Parallel()
	const longest = 1<<31 - 1
	if n := len(TopCommand(longest, longest).line) + 2; n*MaxAhead > 8<<10 {
		t.Errorf("%d octets", n*MaxAhead)
	}
}

// Where UIDL is refused, the LIST behind it is List's.
func TestAheadListing(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: UIDL", "C: LIST", "S: -ERR what?", "S: +OK", "S: 1 10", "S: .", "C: UIDL", "S: +OK", "S: 1 a", "S: .", "C: LIST", "S: -ERR")
	ahead(t, c, uidlCommand(), listCommand())
	if _, err := c.Listing(t.Context()); !errors.Is(err, ErrNoUIDL) || c.Outstanding() != 1 {
		t.Fatalf("%v, %d outstanding", err, c.Outstanding())
	}
	if l, err := c.List(t.Context()); err != nil || !slices.Equal(l, []Entry{{1, "", 10}}) {
		t.Errorf("%v, %v; want the one message without UID", l, err)
	}
	ahead(t, c, uidlCommand()) // LIST is then sent by Listing itself
	if l, err := c.Listing(t.Context()); err != nil || !slices.Equal(l.Entries, []Entry{{1, "a", -1}}) {
		t.Errorf("%v, %v; want the one message without size", l, err)
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("S: 1 abc\n", 1000)
	lines := slices.Concat(
		[]string{"C: NOOP", "C: RETR 1", "C: RETR 2", "C: UIDL", "C: LIST", "C: CAPA", "C: TOP 1 0", "C: DELE 1", "C: NOOP", "C: QUIT"},
		[]string{"S: +OK", "S: +OK", "S: ..", "R: a\n.\n\r\n", "S: .", "S: -ERR", "S: +OK"}, strings.Split(strings.TrimSpace(long), "\n"),
		[]string{"S: .", "S: -ERR", "S: +OK", "S: TOP", "S: .", "S: +OK", "S: .", "S: -ERR", "S: +OK", "S: -ERR not all deleted"})
	c := ready(t, lines...)
	ahead(t, c, noop, RetrCommand(1), RetrCommand(2), uidlCommand(), listCommand(), capaCommand(), TopCommand(1, 0), DeleCommand(1),
		noop, QuitCommand())
	for left := 9; left >= 0; left-- {
		if err := c.Skip(t.Context(), much); err != nil || c.Outstanding() != left {
			t.Fatalf("%v, %d outstanding, want %d", err, c.Outstanding(), left)
		}
	}
	if c.Err() != errClosed {
		t.Errorf("after QUIT the session is %v", c.Err())
	}
}

// What goes wrong in the middle breaks the session; what came before is good.
func TestAheadBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string // after the first message
		want  error
	}{
		{"cut", []string{"S: .", "S: +OK", "R: tw", "X:"}, errEOF},
		{"cut in a reply", []string{"S: .", "R: +O", "X:"}, errEOF},
		{"cut between", []string{"S: .", "X:"}, errEOF},
		{"an unstuffed dot", []string{"S: .", "S: rest", "S: .", "S: +OK"}, errProtocol},
		{"octets behind the last terminator", []string{"S: .", "S: +OK", "S: two", "S: .", "R: x"}, errProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, append([]string{"C: RETR 1", "C: RETR 2", "S: +OK", "S: one"}, tt.lines...)...)
			ahead(t, c, RetrCommand(1), RetrCommand(2))
			if got := message(t, c, 1); got != "one\r\n" {
				t.Errorf("message 1 is %q, want %q", got, "one\r\n")
			}
			broken(t, c, c.Skip(t.Context(), much), tt.want)
		})
	}
}

// What was in the buffer before a command was sent cannot be its reply, even if
// it looks like one.
func TestAheadEarlierOctetsAreUnsolicited(t *testing.T) {
	t.Parallel()
	t.Run("behind a body that is open", func(t *testing.T) {
		t.Parallel()
		c := ready(t, "C: RETR 1", "S: +OK", "S: one", "S: .", "S: +OK looks like a reply", "C: RETR 2", "S: .", "S: +OK")
		b, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ahead(t, c, RetrCommand(2))
		_, err = io.ReadAll(b)
		broken(t, c, err, errProtocol)
		if !strings.Contains(err.Error(), "looks like") {
			t.Errorf("the error does not show what came: %v", err)
		}
	})
	t.Run("before Ahead", func(t *testing.T) {
		t.Parallel()
		c := ready(t, "C: NOOP", "S: +OK", "S: +OK one too many")
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		broken(t, c, c.Ahead(t.Context(), noop), errProtocol)
	})
	t.Run("before the second Ahead", func(t *testing.T) {
		t.Parallel()
		c := ready(t, "C: NOOP", "S: +OK", "S: +OK one too many")
		ahead(t, c, noop)
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		broken(t, c, c.Ahead(t.Context(), DeleCommand(1)), errProtocol)
	})
}

// A context that has ended sends nothing; one that ends in a claim breaks.
func TestAheadContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := ready(t, "C: NOOP", "C: NOOP", "S: +OK")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Ahead(ctx, noop); !errors.Is(err, context.Canceled) || c.Err() != nil || c.Outstanding() != 0 {
			t.Fatalf("%v, %v", err, c.Err())
		}
		ahead(t, c, noop, noop)
		if err := c.Noop(ctx); !errors.Is(err, context.Canceled) || c.Outstanding() != 2 {
			t.Fatalf("%v, %d outstanding", err, c.Outstanding())
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		broken(t, c, c.Skip(ctx, much), context.DeadlineExceeded)
	})
}

// The time of a reply begins when it is claimed, however long that took.
func TestAheadLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := ready(t, "C: NOOP", "C: DELE 1", "S: +OK", "S: +OK")
		ahead(t, c, noop, DeleCommand(1))
		time.Sleep(time.Hour)
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if err := c.Dele(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := ready(t, "C: NOOP")
		ahead(t, c, noop)
		time.Sleep(time.Hour)
		start := time.Now()
		broken(t, c, c.Noop(t.Context()), errTimeout)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A server that does not read does not block the client for ever.
func TestAheadWriteLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newClient(near, Options{})
		broken(t, c, c.Ahead(t.Context(), noop), errTimeout)
	})
}

package pop3

import (
	"errors"
	"io"
	"slices"
	"testing"
)

// FuzzAhead reads any octets as the answers to several commands sent ahead,
// in segments of any size, claimed or skipped in any way.
func FuzzAhead(f *testing.F) {
	f.Add([]byte("+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n+OK 1 a\r\n-ERR no\r\n+OK\r\n1 a\r\n.\r\n+OK\r\n.\r\n+OK\r\nTOP\r\n.\r\n+OK\r\n+OK\r\n"), 1000, uint16(0))
	f.Add([]byte("+OK\r\nx\r\n.\r\n+OK 1 a\r\n+OK\r\ny\r\n.\r\n+OK\r\n1 a\r\n.\r\n-ERR\r\n-ERR\r\n-ERR\r\n+OK bye\r\n"), 3, uint16(0xffff))
	f.Add([]byte("+OK\r\nx\r\n.\r\n+OK 2 a\r\n"), 1, uint16(4))
	f.Add([]byte("+OK\r\na\n.\r\nb\r\n.\r\n+OK 1 a\r\n+OK y\r\n.\r\n"), 7, uint16(0x55))
	f.Fuzz(func(t *testing.T, wire []byte, segment int, skips uint16) {
		if segment < 1 {
			return
		}
		c, done := from(&answers{slices.Collect(slices.Chunk(wire, segment))})
		defer done()
		e := Entry{1, "a", 5}
		cmds := []Command{RetrCommand(1), ConfirmCommand(e), RetrCommand(2), uidlCommand(), listCommand(), capaCommand(), DeleCommand(1), QuitCommand()}
		ahead(t, c, cmds...)
		var octets int64
		retr := func(n int) error {
			b, err := c.Retr(t.Context(), n)
			if err != nil {
				return err
			}
			k, err := io.Copy(io.Discard, b)
			octets += k
			return err
		}
		claims := []func() error{
			func() error { return retr(1) },
			func() error { return c.Confirm(t.Context(), e) },
			func() error { return retr(2) },
			func() error { _, err := c.uidl(t.Context()); return err },
			func() error { _, err := c.List(t.Context()); return err },
			func() error { _, err := c.capa(t.Context()); return err },
			func() error { return c.Dele(t.Context(), 1) },
			func() error { return c.Quit(t.Context()) },
		}
		for i, claim := range claims {
			if left := len(claims) - i; c.Outstanding() != left {
				t.Fatalf("%d outstanding, want %d", c.Outstanding(), left)
			}
			if skips>>i&1 == 1 {
				claim = func() error { return c.Skip(t.Context(), much) }
			}
			err := claim()
			var refused *Error
			if whole := err == nil || errors.As(err, &refused); whole == (c.Err() != nil) && i < len(claims)-1 || errors.Is(err, errAhead) {
				t.Fatalf("claim %d: %v, but the session is %v", i, err, c.Err())
			}
			if c.Err() != nil {
				break
			}
		}
		if octets > int64(len(wire)) {
			t.Errorf("bodies of %d octets, but %d were sent", octets, len(wire))
		}
		if c.Err() == nil {
			t.Error("the session goes on after QUIT or what broke it")
		}
	})
}

package pop3

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		wire string
		want string
	}{
		{"empty", ".\r\n", ""},
		{"one line", "abc\r\n.\r\n", "abc\r\n"},
		{"an empty line", "\r\n.\r\n", "\r\n"},
		{"stuffed dots", "..\r\n...x\r\na.b\r\n.c\r\n.\r\n", ".\r\n..x\r\na.b\r\nc\r\n"},
		{"bare LF", "a\n.\nb\n.\r\n..c\r\n.\r\n", "a\n.\nb\n.\r\n.c\r\n"},
		{"bare CR", "a\r.\rb\r\r\n.\r\n", "a\r.\rb\r\r\n"},
		{"CR before the dot", "a\r.\r\n.\r\n", "a\r.\r\n"},
		{"dot, CR and no LF", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n"},
		{"NUL and 8-bit", "a\x00b\r\n\xff\xfe\r\n.\r\n", "a\x00b\r\n\xff\xfe\r\n"},
		{"a dot at the end of a line", "abc.\r\n.\r\n", "abc.\r\n"},
		{"SMTP in it", "x\n.\r\nMAIL FROM:<a@b>\r\n.\r\n", "x\n.\r\nMAIL FROM:<a@b>\r\n"},
		{"a line of 200 kB", strings.Repeat("x", 200_000) + "\r\n.\r\n", strings.Repeat("x", 200_000) + "\r\n"},
		{"many dots", strings.Repeat("..\r\n", 50_000) + ".\r\n", strings.Repeat(".\r\n", 50_000)},
		{"CRLF at the end of the buffer", strings.Repeat("x", maxLine-2) + "\r\n..y\r\n.\r\n", strings.Repeat("x", maxLine-2) + "\r\n.y\r\n"},
		{"CR at the end of the buffer", strings.Repeat("x", maxLine-1) + "\r\n..y\r\n.\r\n", strings.Repeat("x", maxLine-1) + "\r\n.y\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for name, ask := range map[string]func(io.Reader) io.Reader{
				"at once":        func(r io.Reader) io.Reader { return r },
				"octet by octet": iotest.OneByteReader,
				"in halves":      iotest.HalfReader,
			} {
				for _, read := range []func(io.Reader) ([]byte, error){io.ReadAll, writeTo, readSmall} {
					c, done := from(&answers{[][]byte{[]byte("+OK\r\n"), []byte(tt.wire), []byte("+OK\r\n")}})
					c.wire.conn = canned{c.conn, ask(c.wire.conn)}
					b, err := c.Retr(t.Context(), 1)
					if err != nil {
						t.Fatal(err)
					}
					got, err := read(b)
					if string(got) != tt.want || err != nil || b.Octets() != int64(len(tt.want)) {
						t.Errorf("%s: %.60q (%d octets), %v; want %.60q", name, got, b.Octets(), err, tt.want)
					}
					if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("%s: after the end %d, %v; want 0, io.EOF", name, n, err)
					}
					if err := c.Noop(t.Context()); err != nil {
						t.Errorf("%s: the session does not go on: %v", name, err)
					}
					done()
				}
			}
		})
	}
}

// writeTo reads by WriteTo.
func writeTo(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	_, err := r.(io.WriterTo).WriteTo(&b)
	return b.Bytes(), err
}

// readSmall reads in pieces of a few octets.
func readSmall(r io.Reader) ([]byte, error) {
	var out []byte
	for p := make([]byte, 3); ; {
		n, err := r.Read(p)
		out = append(out, p[:n]...)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

// A message that may be incomplete is an error and breaks the session.
func TestBodyBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string
		got   string
		want  error
		says  string
	}{
		{"cut", []string{"R: abc\r\nde", "X:"}, "abc\r\nde", errEOF, "closed the connection"},
		{"cut at a line's end", []string{"R: abc\r\n", "X:"}, "abc\r\n", errEOF, ""},
		{"cut in the terminator", []string{"R: abc\r\n.", "X:"}, "abc\r\n", errEOF, ""},
		{"cut in the terminator's CRLF", []string{"R: abc\r\n.\r", "X:"}, "abc\r\n", errEOF, ""},
		{"terminator at the end of a line, then the end", []string{"R: abc.\r\n", "X:"}, "abc.\r\n", errEOF, "the line with the final dot is missing"},
		{"unstuffed dot", []string{"S: abc", "S: .", "S: +OK line after", "S: ."}, "abc\r\n", errProtocol, "+OK line after"},
		{"terminator and octets", []string{"S: abc", "S: .", "R: x"}, "abc\r\n", errProtocol, `"x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, append([]string{"C: RETR 1", "S: +OK"}, tt.lines...)...)
			b, err := c.Retr(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(b)
			if string(got) != tt.got || err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q, %v; want %q and an error with %q", got, err, tt.got, tt.says)
			}
			broken(t, c, err, tt.want)
		})
	}
}

func TestBodyRefused(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: RETR 1", "S: -ERR no such message", "C: TOP 1 5", "S: -ERR no such message", "C: NOOP", "S: +OK")
	_, err := c.Retr(t.Context(), 1)
	refused(t, err)
	_, err = c.Top(t.Context(), 1, 5)
	refused(t, err)
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

// While a body is open no command may be sent; trying breaks nothing.
func TestBodyOpen(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: RETR 1", "S: +OK", "S: abc", "S: .", "C: NOOP", "S: +OK")
	b, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Noop(t.Context()); !errors.Is(err, errBodyOpen) {
		t.Errorf("error %v, want %v", err, errBodyOpen)
	}
	if got, err := io.ReadAll(b); string(got) != "abc\r\n" || err != nil {
		t.Errorf("%q, %v; want the whole message", got, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

// Closing a body before its end breaks the session; nothing more is sent.
func TestBodyClose(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: RETR 1", "S: +OK", "R: abc\r\nd")
	b, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	_, err = b.Read(make([]byte, 1))
	broken(t, c, err, errAbandoned)
	if err := c.Quit(t.Context()); !errors.Is(err, errAbandoned) {
		t.Errorf("QUIT: %v", err)
	}
}

// limited fails after so many octets.
type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if n < len(p) {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// An error of the writer does not break the session.
func TestBodyWriteTo(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: RETR 1", "S: +OK", "S: abc", "S: ..def", "S: .")
	b, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := b.WriteTo(&limited{4}); n != 4 || err != io.ErrShortBuffer || b.Octets() != 4 {
		t.Errorf("%d written, %v, %d read; want 4 and %v", n, err, b.Octets(), io.ErrShortBuffer)
	}
	if got, err := io.ReadAll(b); string(got) != "\n.def\r\n" || err != nil || c.Err() != nil {
		t.Errorf("%q, %v, session %v; want the rest of the message", got, err, c.Err())
	}
}

// simpleBody is what a Body has to do, octet by octet: the message, and
// whether it is whole.
func simpleBody(wire []byte) (message []byte, whole bool) {
	atBOL := true
	for i := 0; i < len(wire); i++ {
		if atBOL && wire[i] == '.' {
			rest := wire[i+1:]
			if bytes.HasPrefix(rest, []byte("\r\n")) {
				return message, len(rest) == 2
			}
			if len(rest) < 2 {
				return message, false // it is not known yet what the dot is
			}
			atBOL = false
			continue
		}
		message = append(message, wire[i])
		atBOL = bytes.HasSuffix(message, []byte("\r\n")) && i > 0 && wire[i-1] == '\r' && wire[i] == '\n'
	}
	return message, false
}

// FuzzBody reads any octets as a message, in pieces of any size.
func FuzzBody(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\ntext\r\n..dot\r\n.\r\n"), 1, 1)
	f.Add([]byte("a\n.\r\nb\r.\r\n..\r\n.\r\n"), 3, 2)
	f.Add([]byte(".\r\n"), 2, 100)
	f.Add([]byte("abc.\r\n"), 100, 100)
	f.Add([]byte("a\r\n.\r\n+OK\r\n"), 100, 3)
	f.Fuzz(func(t *testing.T, wire []byte, segment, read int) {
		if segment < 1 || read < 1 {
			return
		}
		parts := append([][]byte{[]byte("+OK\r\n")}, slices.Collect(slices.Chunk(wire, segment))...)
		c, done := from(&answers{parts})
		defer done()
		b, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		want, whole := simpleBody(wire)
		var got []byte
		for p := make([]byte, min(read, 1<<16)); err == nil; {
			var n int
			n, err = b.Read(p)
			got = append(got, p[:n]...)
		}
		if !bytes.Equal(got, want) || b.Octets() != int64(len(want)) {
			t.Errorf("%q, want %q", got, want)
		}
		if whole != (err == io.EOF) && segment >= len(wire) {
			t.Errorf("error %v, want whole: %v", err, whole)
		}
		if whole && err != io.EOF {
			t.Errorf("error %v of a whole message", err)
		}
	})
}

// TestBodyEveryEnding: no mix of CR, LF, NUL and dot ends a message early, or makes
// the reader miss its end.
func TestBodyEveryEnding(t *testing.T) {
	t.Parallel()
	length := 6
	if testing.Short() {
		length = 4
	}
	var try func(string)
	try = func(s string) {
		for _, message := range []string{s + "\r\n", "a" + s + "\r\n+OK\r\n"} {
			wire := strings.ReplaceAll("\r\n"+message, "\r\n.", "\r\n..")[2:] + ".\r\n"
			c, done := from(&answers{[][]byte{[]byte("+OK\r\n"), []byte(wire)}})
			b, err := c.Retr(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(b); string(got) != message || err != nil {
				t.Errorf("%q is read as %q, %v; want %q", wire, got, err, message)
			}
			done()
		}
		if len(s) < length {
			for _, c := range "\r\n\x00.x" {
				try(s + string(c))
			}
		}
	}
	try("")
}

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal tells whether what is written may act on a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// screen writes text for a terminal: what could act on it (control characters,
// those that turn the direction of text around) and what is no UTF-8 comes as
// escapes, as \x1b. Close it.
type screen struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func (s *screen) Write(p []byte) (int, error) {
	text := append(s.rest, p...)
	out := make([]byte, 0, len(text))
	for len(text) > 0 && complete(text) {
		var n int
		out, n = escape(out, text)
		text = text[n:]
	}
	s.rest = append([]byte(nil), text...)
	_, err := s.w.Write(out)
	return len(p), err
}

// Close writes what has no end.
func (s *screen) Close() error {
	var out []byte
	for len(s.rest) > 0 {
		var n int
		out, n = escape(out, s.rest)
		s.rest = s.rest[n:]
	}
	_, err := s.w.Write(out)
	return err
}

// complete tells whether nothing that follows can change what stands first.
func complete(text []byte) bool {
	return utf8.FullRune(text) && (text[0] != '\r' || len(text) > 1)
}

// escape appends the first character of text, and tells how many octets it has.
func escape(out, text []byte) ([]byte, int) {
	r, n := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && n <= 1:
		return fmt.Appendf(out, `\x%02x`, text[0]), 1
	case r == '\r' && len(text) > 1 && text[1] == '\n', r == '\n', r == '\t', unicode.IsGraphic(r):
		return append(out, text[:n]...), n
	}
	q := strconv.QuoteRuneToASCII(r)
	return append(out, q[1:len(q)-1]...), n
}

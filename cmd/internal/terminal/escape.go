package terminal

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/popferry/popferry/fetcher/printable"
)

// Printable makes a foreign text one safe line for a table, a log or a mail, as
// printable.Text does. What is longer than max characters is cut, with an
// ellipsis; 0 allows any length.
func Printable(s string, max int) string {
	s = printable.Text(s)
	if r := []rune(s); max > 0 && len(r) > max {
		return string(r[:max-1]) + "…"
	}
	return s
}

// Escape returns a text with everything escaped that an Escaper escapes.
func Escape(s string) string {
	var b strings.Builder
	e := NewEscaper(&b)
	_, _ = io.WriteString(e, s) // a strings.Builder does not fail
	_ = e.Close()
	return b.String()
}

// Escaper writes text for a terminal. What could act on the terminal (control
// characters, those that change the direction of text) and what is not UTF-8 is
// written as an escape such as \x1b; line ends and tabs stay.
type Escaper struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

// NewEscaper returns an Escaper that writes to w. Close it at the end.
func NewEscaper(w io.Writer) *Escaper { return &Escaper{w: w} }

// Unwrap returns the writer below.
func (e *Escaper) Unwrap() io.Writer { return e.w }

// Write implements io.Writer.
func (e *Escaper) Write(p []byte) (int, error) {
	text := append(e.rest, p...)
	out := make([]byte, 0, len(text))
	for len(text) > 0 && complete(text) {
		var n int
		out, n = escape(out, text)
		text = text[n:]
	}
	e.rest = append([]byte(nil), text...)
	_, err := e.w.Write(out)
	return len(p), err
}

// Close writes the incomplete character at the end, if there is one.
func (e *Escaper) Close() error {
	var out []byte
	for len(e.rest) > 0 {
		var n int
		out, n = escape(out, e.rest)
		e.rest = e.rest[n:]
	}
	_, err := e.w.Write(out)
	return err
}

// complete reports whether the first character of text is whole, and CR is
// followed by something.
func complete(text []byte) bool {
	return utf8.FullRune(text) && (text[0] != '\r' || len(text) > 1)
}

// escape appends the first character of text to out and returns its length in
// octets.
func escape(out, text []byte) ([]byte, int) {
	r, n := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && n <= 1:
		return fmt.Appendf(out, `\x%02x`, text[0]), 1
	case r == '\r' && len(text) > 1 && text[1] == '\n', r == '\n', r == '\t', printable.Is(r):
		return append(out, text[:n]...), n
	}
	q := strconv.QuoteRuneToASCII(r)
	return append(out, q[1:len(q)-1]...), n
}

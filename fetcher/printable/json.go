package printable

import (
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON appends a JSON text (RFC 8259) to out with the characters that do not
// print written as \u escapes. The encoders of Go's library leave C1 and
// directional ones as they are. The text means the same as before: such characters
// can stand only in its strings. Line ends and tabs between its values stay.
func JSON(out, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case Is(r), r == '\n', r == '\t', r == '\r':
			out = append(out, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[n:]
	}
	return out
}

// JSONWriter returns a writer that does the same with what is written to it: each
// time whole characters.
func JSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

// Write implements io.Writer.
func (j jsonWriter) Write(p []byte) (int, error) {
	if _, err := j.w.Write(JSON(make([]byte, 0, len(p)), p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

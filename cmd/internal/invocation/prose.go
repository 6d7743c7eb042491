package invocation

import (
	"io"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Prose is a writer for text that people read: commands stand in it as the user has
// to type them.
type Prose struct {
	w    io.Writer
	v    Invocation
	wrap bool
}

// NewProse returns a Prose that writes to w. Each Write is of whole lines, which are
// wrapped to the terminal's width.
func NewProse(w io.Writer, v Invocation) Prose { return Prose{w, v, true} }

// NewWrapped returns a Prose for text that is wrapped already.
func NewWrapped(w io.Writer, v Invocation) Prose { return Prose{w, v, false} }

// Unwrap returns the writer below.
func (p Prose) Unwrap() io.Writer { return p.w }

// Write implements io.Writer.
func (p Prose) Write(b []byte) (int, error) {
	text := p.v.Text(string(b))
	if p.wrap {
		text = terminal.WrapText(text, terminal.Width(p.w))
	}
	_, err := io.WriteString(p.w, text)
	return len(b), err
}

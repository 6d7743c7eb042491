package invocation

import (
	"io"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Prose is a writer for text that people read: each Write is wrapped to the
// terminal's width, and commands stand in it as the user has to type them.
type Prose struct {
	w io.Writer
	v Invocation
}

// NewProse returns a Prose that writes to w.
func NewProse(w io.Writer, v Invocation) Prose { return Prose{w, v} }

// Unwrap returns the writer below.
func (p Prose) Unwrap() io.Writer { return p.w }

// Write implements io.Writer. It takes whole lines.
func (p Prose) Write(text []byte) (int, error) {
	_, err := io.WriteString(p.w, terminal.WrapText(p.v.Text(string(text)), terminal.Width(p.w)))
	return len(text), err
}

package terminal

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Screen is a terminal that gets everything through an Escaper, whoever wrote it.
// Only the colours of the marks pass. Its methods may be used concurrently.
type Screen struct {
	file *os.File

	mu  sync.Mutex
	out *Escaper
}

// NewScreen returns w as a Screen if it is a terminal, and otherwise w itself: what
// reads a file or pipe may want the octets.
func NewScreen(w io.Writer) io.Writer {
	if f := fileOf(w); f != nil && term.IsTerminal(int(f.Fd())) {
		return &Screen{file: f, out: NewEscaper(f)}
	}
	return w
}

// Write implements io.Writer.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		at, colour := nextColour(rest)
		if _, err := s.out.Write(rest[:at]); err != nil {
			return 0, err
		}
		if colour > 0 {
			if _, err := s.file.Write(rest[at : at+colour]); err != nil {
				return 0, err
			}
		}
		rest = rest[at+colour:]
	}
	return len(p), nil
}

// nextColour finds the first change of colour, and its length; 0 if there is none.
func nextColour(p []byte) (at, length int) {
	at = len(p)
	for _, c := range []string{green, red, plain} {
		if i := bytes.Index(p, []byte(c)); i >= 0 && i < at {
			at, length = i, len(c)
		}
	}
	return at, length
}

// fileOf is the file that w writes to, or nil. Writers that only change the text
// on its way have a method Unwrap.
func fileOf(w io.Writer) *os.File {
	switch w := w.(type) {
	case *os.File:
		return w
	case *Screen:
		return w.file
	case interface{ Unwrap() io.Writer }:
		return fileOf(w.Unwrap())
	}
	return nil
}

// File returns the terminal that w is, or nil.
func File(w io.Writer) *os.File {
	if f := fileOf(w); f != nil && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// Is reports whether w is a terminal.
func Is(w io.Writer) bool { return File(w) != nil }

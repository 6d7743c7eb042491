package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// console is where a person answers. Both methods return a line without its
// end; io.EOF says that nobody is there any more.
type console interface {
	Line(context.Context) (string, error)
	// Secret does not show what is typed from the moment on at which it calls
	// ask, which puts the question.
	Secret(ctx context.Context, ask func()) (string, error)
}

// terminal is the console that the program was started from.
type terminal struct {
	file  *os.File
	lines *bufio.Reader
}

// newTerminal returns nil if nobody can answer there.
func newTerminal(f *os.File) console {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &terminal{file: f, lines: bufio.NewReader(f)}
}

// typed is what came of waiting for a person.
type typed struct {
	text string
	err  error
}

// Line reads a line.
func (t *terminal) Line(ctx context.Context) (string, error) {
	return wait(ctx, func() (string, error) {
		line, err := t.lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	})
}

// Secret reads a line with the terminal in raw mode, and brings it back to how
// it was whatever happens. (term.ReadPassword turns the echo off at a time that
// cannot be known here, perhaps after all is over.) The question comes behind
// the echo's end: who answers at once, as a password manager does, would see
// the password.
func (t *terminal) Secret(ctx context.Context, ask func()) (_ string, err error) {
	fd := int(t.file.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	keys := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{t.file, io.Discard}, "")
	ask()
	return wait(ctx, func() (string, error) { return keys.ReadPassword("") }) // Ctrl-C is an io.EOF
}

// wait waits for a person, or for the end of ctx. A read of a terminal cannot
// be ended from here: it is left behind then, and ends with the program.
func wait(ctx context.Context, read func() (string, error)) (string, error) {
	done := make(chan typed, 1)
	go func() {
		text, err := read()
		done <- typed{text, err}
	}()
	select {
	case t := <-done:
		return t.text, t.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

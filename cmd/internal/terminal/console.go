package terminal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Console reads the answers of a user. Both methods return a line without its
// line end, and io.EOF when the input has ended.
type Console interface {
	Line(context.Context) (string, error)
	// Secret reads a line without echo. It turns the echo off before it calls
	// ask, which prints the question.
	Secret(ctx context.Context, ask func()) (string, error)
}

// console is the terminal that the program was started from.
type console struct {
	file  *os.File
	lines *bufio.Reader
}

// NewConsole returns a console on f, or nil if f is not a terminal.
func NewConsole(f *os.File) Console {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &console{file: f, lines: bufio.NewReader(f)}
}

// Line implements Console.
func (c *console) Line(ctx context.Context) (string, error) {
	return await(ctx, func() (string, error) {
		line, err := c.lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	})
}

// Secret implements Console. It reads in raw mode and always restores the mode
// before it returns; term.ReadPassword would restore it at a time that is
// unknown here, perhaps after the program has gone on. The question comes only
// when the echo is off: a password manager answers at once, and the password
// would be shown.
func (c *console) Secret(ctx context.Context, ask func()) (_ string, err error) {
	fd := int(c.file.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	keys := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{c.file, io.Discard}, "")
	ask()
	return await(ctx, func() (string, error) { return keys.ReadPassword("") }) // Ctrl-C is an io.EOF
}

// await returns what read returns, or the cause of ctx's end if that comes
// first. A read from a terminal cannot be interrupted: its goroutine then stays
// until the program ends.
func await(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := read()
		done <- answer{text, err}
	}()
	select {
	case a := <-done:
		return a.text, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

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

// Console asks the user for lines. Both methods print a prompt, which has no line
// end, to out, and return the answer without its line end, or io.EOF when the input
// has ended. What was typed before the prompt is no answer.
type Console interface {
	Line(ctx context.Context, out io.Writer, prompt string) (string, error)
	// Secret asks for a line that is not shown.
	Secret(ctx context.Context, out io.Writer, prompt string) (string, error)
	// Close leaves the terminal as it was before the first question.
	Close() error
}

// console is the terminal that the program was started from. From the first question
// until Close it shows what is typed only while a line is asked for.
type console struct {
	file   *os.File
	lines  *bufio.Reader
	before *term.State // nil: nothing was asked yet
}

// NewConsole returns a console on f, or nil if f is not a terminal.
func NewConsole(f *os.File) Console {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &console{file: f, lines: bufio.NewReader(f)}
}

// begin leaves out what was typed before, and makes sure that what is typed after this
// question is not shown.
func (c *console) begin() (err error) {
	fd := int(c.file.Fd())
	if c.before == nil {
		if c.before, err = term.GetState(fd); err != nil {
			return err
		}
		if err := hideInput(fd); err != nil {
			return err
		}
	}
	c.lines.Reset(c.file)
	return dropInput(fd)
}

// Close implements Console.
func (c *console) Close() error {
	if c.before == nil {
		return nil
	}
	return term.Restore(int(c.file.Fd()), c.before)
}

// Line implements Console. The line can be edited with the cursor keys where the
// prompt goes to a terminal, too.
func (c *console) Line(ctx context.Context, out io.Writer, prompt string) (string, error) {
	if err := c.begin(); err != nil {
		return "", err
	}
	if screen := File(out); screen != nil {
		return c.edit(ctx, screen, prompt, func(keys *term.Terminal) (string, error) {
			_ = keys.SetSize(Width(out), 1) // it is for breaking lines; 0 is an error and means 80
			return keys.ReadLine()
		})
	}
	if _, err := io.WriteString(out, prompt); err != nil {
		return "", err
	}
	if err := term.Restore(int(c.file.Fd()), c.before); err != nil {
		return "", err
	}
	line, err := await(ctx, func() (string, error) {
		line, err := c.lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	})
	return line, errors.Join(err, hideInput(int(c.file.Fd())))
}

// Secret implements Console. The prompt comes only when the echo is off: a password
// manager answers at once, and the password would be shown.
func (c *console) Secret(ctx context.Context, out io.Writer, prompt string) (string, error) {
	if err := c.begin(); err != nil {
		return "", err
	}
	return c.edit(ctx, io.Discard, "", func(keys *term.Terminal) (string, error) {
		if _, err := io.WriteString(out, prompt); err != nil {
			return "", err
		}
		return keys.ReadPassword("")
	})
}

// edit reads a line in raw mode, where Ctrl-C is an io.EOF. It always restores the mode
// before it returns; term.ReadPassword would restore it at a time that is unknown here,
// perhaps after the program has gone on.
func (c *console) edit(ctx context.Context, out io.Writer, prompt string, read func(*term.Terminal) (string, error)) (_ string, err error) {
	fd := int(c.file.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	keys := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{c.file, out}, prompt)
	return await(ctx, func() (string, error) { return read(keys) })
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

package testworld

import (
	"context"
	"io"
	"strings"
	"testing"
)

// Reply is an answer to the question that has these words in it.
type Reply struct{ Question, Answer string }

// Leave is the answer of a user who ends the input.
const Leave = "\x04"

// Console is a terminal.Console with a user who has all answers prepared. What is
// typed shows on the screen, except for secrets.
type Console struct {
	tb      testing.TB
	screen  *Output
	replies []Reply
	read    int // octets of the screen
}

// NewConsole returns a console at a screen.
func NewConsole(tb testing.TB, screen *Output, replies []Reply) *Console {
	return &Console{tb: tb, screen: screen, replies: replies, read: len(screen.String())}
}

// Line implements terminal.Console.
func (c *Console) Line(_ context.Context, out io.Writer, prompt string) (string, error) {
	text, err := c.answer(out, prompt)
	_, _ = c.screen.Write([]byte(text + "\n"))
	return text, err
}

// Secret implements terminal.Console.
func (c *Console) Secret(_ context.Context, out io.Writer, prompt string) (string, error) {
	return c.answer(out, prompt)
}

// Close implements terminal.Console.
func (c *Console) Close() error { return nil }

func (c *Console) answer(out io.Writer, prompt string) (string, error) {
	_, _ = io.WriteString(out, prompt)
	all := c.screen.String()
	question := all[c.read:]
	c.read = len(all)
	question = question[strings.LastIndexByte(question, '\n')+1:]
	if len(c.replies) == 0 {
		c.tb.Errorf("asked %q, want no more questions", question)
		return "", io.EOF
	}
	next := c.replies[0]
	c.replies = c.replies[1:]
	if !strings.Contains(question, next.Question) {
		c.tb.Errorf("asked %q, want %q", question, next.Question)
		return "", io.EOF
	}
	if next.Answer == Leave {
		return "", io.EOF
	}
	return next.Answer, nil
}

// CheckAllAsked fails the test if a reply is left.
func (c *Console) CheckAllAsked() {
	c.tb.Helper()
	if len(c.replies) > 0 {
		c.tb.Errorf("never asked, want all: %q", c.replies)
	}
}

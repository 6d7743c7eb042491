package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Dialogue prints lines and asks questions. Everything that it prints is
// wrapped and escaped: what servers said may be in it.
type Dialogue struct {
	out     io.Writer
	console Console // nil: nobody answers
	marks   Marks
}

// NewDialogue returns a dialogue that prints to out and reads answers from c. If
// c is nil it can only print.
func NewDialogue(out io.Writer, c Console) *Dialogue {
	return &Dialogue{out: out, console: c, marks: NewMarks(Is(out), os.Getenv)}
}

// ErrStopped is returned by the questions when the user ended the input.
var ErrStopped = errors.New("stopped")

// Close leaves the terminal as it was before the first question.
func (d *Dialogue) Close() error {
	if d.console == nil {
		return nil
	}
	return d.console.Close()
}

// Interactive reports whether questions can be asked.
func (d *Dialogue) Interactive() bool { return d.console != nil }

// Say prints a line.
func (d *Dialogue) Say(format string, args ...any) {
	d.print(WrapText(fmt.Sprintf(format, args...), Width(d.out)) + "\n")
}

// OK prints a line about a success.
func (d *Dialogue) OK(format string, args ...any) { d.marked(d.marks.OK, format, args...) }

// Failed prints a line about a failure.
func (d *Dialogue) Failed(format string, args ...any) { d.marked(d.marks.Failed, format, args...) }

func (d *Dialogue) marked(mark, format string, args ...any) {
	hang := 2 + d.marks.Width + 2
	_, _ = fmt.Fprintf(d.out, "  %s  %s\n", mark, Wrap(Escape(fmt.Sprintf(format, args...)), Width(d.out), hang, hang))
}

// Ask asks for a line without spaces around it; an empty answer means preset.
func (d *Dialogue) Ask(ctx context.Context, question, preset string) (string, error) {
	if preset != "" {
		question += " [" + preset + "]"
	}
	line, err := d.console.Line(ctx, d.out, d.prompt(question))
	if err != nil {
		if err = stopped(err); errors.Is(err, ErrStopped) {
			d.Say("") // below the question
		}
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		line = preset
	}
	return line, nil
}

// Secret asks for a line that is not shown.
func (d *Dialogue) Secret(ctx context.Context, question string) (string, error) {
	line, err := d.console.Secret(ctx, d.out, d.prompt(question))
	d.Say("")
	return line, stopped(err)
}

// Choose asks for one of some words, or its first letters. An empty answer means
// the first word.
func (d *Dialogue) Choose(ctx context.Context, question string, words ...string) (string, error) {
	list := strings.Join(words, ", ")
	for {
		line, err := d.Ask(ctx, question+" ("+list+")", words[0])
		if err != nil {
			return "", err
		}
		for _, w := range words {
			if says(line, w) {
				return w, nil
			}
		}
		d.Say("  %q is not one of: %s.", line, list)
	}
}

// says reports whether an answer is a word, its first letters, or begins with it, as
// "Yes, please" does.
func says(answer, word string) bool {
	answer = strings.ToLower(answer)
	first, _, _ := strings.Cut(strings.ReplaceAll(answer, ",", " "), " ")
	return strings.HasPrefix(word, answer) || first == word
}

// Confirm asks a question that is answered with yes or no; an empty answer means
// preset.
func (d *Dialogue) Confirm(ctx context.Context, question string, preset bool) (bool, error) {
	words := []string{"yes", "no"}
	if !preset {
		words = []string{"no", "yes"}
	}
	word, err := d.Choose(ctx, question, words...)
	return word == "yes", err
}

// prompt prints a question without its last line, which it returns.
func (d *Dialogue) prompt(question string) string {
	text := WrapText(question+": ", Width(d.out))
	last := strings.LastIndexByte(text, '\n') + 1
	d.print(text[:last])
	return Escape(text[last:])
}

// print writes a text. If the terminal is gone, the next question shows it.
func (d *Dialogue) print(text string) { _, _ = io.WriteString(d.out, Escape(text)) }

// stopped replaces the end of the input by ErrStopped.
func stopped(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrStopped
	}
	return err
}

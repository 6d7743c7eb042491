package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// dialogue asks questions and tells of answers. Where nobody answers, it only
// tells.
type dialogue struct {
	out     io.Writer
	console console // nil: nobody answers
	steps   *checkText
}

func newDialogue(out io.Writer) *dialogue {
	return &dialogue{out: out, steps: newCheckText(out, isTerminal(out), os.Getenv)}
}

// errGone: the person has left in the middle.
var errGone = errors.New("stopped; nothing was written")

// attended tells whether somebody answers.
func (d *dialogue) attended() bool { return d.console != nil }

// say writes a line. What servers said may be in it, so nothing in it can act
// on a terminal.
func (d *dialogue) say(format string, args ...any) {
	s := screen{w: d.out}
	_, _ = fmt.Fprintln(&s, foldAll(fmt.Sprintf(format, args...), d.steps.width())) // that the terminal is gone shows at the next question
	_ = s.Close()
}

// good tells of something that is well.
func (d *dialogue) good(format string, args ...any) { d.marked(d.steps.good, format, args...) }

// bad tells of something that is not.
func (d *dialogue) bad(format string, args ...any) { d.marked(d.steps.bad, format, args...) }

func (d *dialogue) marked(mark, format string, args ...any) {
	hang := 2 + d.steps.markWidth + 2
	_, _ = fmt.Fprintf(d.out, "  %s  %s\n", mark, fold(visible(fmt.Sprintf(format, args...)), d.steps.width(), hang, hang))
}

// ask asks for a line; an empty one is the preset.
func (d *dialogue) ask(ctx context.Context, question, preset string) (string, error) {
	if preset != "" {
		question += " [" + preset + "]"
	}
	d.prompt(question)
	line, err := d.console.Line(ctx)
	if err != nil {
		return "", left(err)
	}
	if line = strings.TrimSpace(line); line == "" {
		line = preset
	}
	return line, nil
}

// secret asks for a password; the zero Secret is an empty one.
func (d *dialogue) secret(ctx context.Context, question string) (config.Secret, error) {
	line, err := d.console.Secret(ctx, func() { d.prompt(question) })
	d.say("")
	if err != nil {
		return config.Secret{}, left(err)
	}
	if line == "" {
		return config.Secret{}, nil
	}
	return config.NewSecret(line), nil
}

// choose asks for one of some words, of which the first letters will do. The
// first word is the preset.
func (d *dialogue) choose(ctx context.Context, question string, words ...string) (string, error) {
	for {
		line, err := d.ask(ctx, question+" ("+strings.Join(words, ", ")+")", words[0])
		if err != nil {
			return "", err
		}
		for _, w := range words {
			if strings.HasPrefix(w, strings.ToLower(line)) {
				return w, nil
			}
		}
		d.say("  %q is none of %s.", line, strings.Join(words, ", "))
	}
}

// agree asks a question with yes or no as the answer; preset is that of an
// empty line.
func (d *dialogue) agree(ctx context.Context, question string, preset bool) (bool, error) {
	words := []string{"yes", "no"}
	if !preset {
		words = []string{"no", "yes"}
	}
	word, err := d.choose(ctx, question, words...)
	return word == "yes", err
}

// prompt writes a question, without the end of a line.
func (d *dialogue) prompt(question string) {
	s := screen{w: d.out}
	_, _ = fmt.Fprint(&s, foldAll(question+": ", d.steps.width()))
	_ = s.Close()
}

// left says in words that the input has ended.
func left(err error) error {
	if errors.Is(err, io.EOF) {
		return errGone
	}
	return err
}

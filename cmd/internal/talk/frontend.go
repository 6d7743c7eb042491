package talk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/printable"
)

// Line is a line that the user reads.
type Line struct {
	Mark   Mark
	Text   string
	Answer string        // of a question: "" where it is secret
	Took   time.Duration // of a step; 0: not known
	Remedy string        // of a failure; "": none
}

// Mark is what a line is about.
type Mark string

// The marks.
const (
	Plain    Mark = "plain"
	Note     Mark = "note" // to be heeded
	Address  Mark = "address"
	Success  Mark = "ok"
	Failure  Mark = "failed"
	Answered Mark = "answered"
)

const (
	maxLines  = 1000
	maxAnswer = 4096 // octets
)

// Add adds a line. What servers said may be in it: it is escaped.
func (t *Talk) Add(l Line) {
	l.Text, l.Remedy = terminal.Escape(l.Text), terminal.Escape(l.Remedy)
	t.change(func() {
		if len(t.lines) < maxLines {
			t.lines = append(t.lines, l)
		}
	})
}

// Say adds a text as terminal.Dialogue prints it.
func (t *Talk) Say(format string, args ...any) {
	text := strings.Trim(fmt.Sprintf(format, args...), "\n")
	words := strings.TrimSpace(text)
	switch note, ok := strings.CutPrefix(words, "! "); {
	case words == "":
	case ok:
		t.Add(Line{Mark: Note, Text: note})
	case strings.HasPrefix(words, "https://") && !strings.ContainsAny(words, " \n"):
		t.Add(Line{Mark: Address, Text: words})
	case strings.Contains(words, "\n"):
		t.Add(Line{Mark: Plain, Text: text}) // indents mean something
	default:
		t.Add(Line{Mark: Plain, Text: words})
	}
}

// OK adds a line about a success.
func (t *Talk) OK(format string, args ...any) {
	t.Add(Line{Mark: Success, Text: fmt.Sprintf(format, args...)})
}

// Failed adds a line about a failure.
func (t *Talk) Failed(format string, args ...any) {
	t.Add(Line{Mark: Failure, Text: fmt.Sprintf(format, args...)})
}

// Interactive reports whether questions can be asked: always.
func (t *Talk) Interactive() bool { return true }

// Ask asks for a line without spaces around it; an empty answer means preset.
func (t *Talk) Ask(ctx context.Context, question, preset string) (string, error) {
	text, err := t.ask(ctx, Question{Kind: AsLine, Text: question, Preset: preset})
	if text = strings.TrimSpace(text); text == "" {
		text = preset
	}
	return text, t.answered(question, text, err)
}

// Secret asks for a line that no page shows.
func (t *Talk) Secret(ctx context.Context, question string) (string, error) {
	text, err := t.ask(ctx, Question{Kind: AsSecret, Text: question})
	return text, t.answered(question, "", err)
}

// Choose asks for one of some words, the usual one first.
func (t *Talk) Choose(ctx context.Context, question string, words ...string) (string, error) {
	text, err := t.ask(ctx, Question{Kind: AsChoice, Text: question, Words: words})
	return text, t.answered(question, text, err)
}

// Confirm asks for yes or no, the usual one first.
func (t *Talk) Confirm(ctx context.Context, question string, preset bool) (bool, error) {
	words := []string{"yes", "no"}
	if !preset {
		words = []string{"no", "yes"}
	}
	word, err := t.Choose(ctx, question, words...)
	return word == "yes", err
}

// answered keeps a question with its answer, for the pages that follow.
func (t *Talk) answered(question, answer string, err error) error {
	if err == nil {
		t.Add(Line{Mark: Answered, Text: question, Answer: printable.Text(answer)})
	}
	return err
}

// takes reports whether a text is an answer that a user can give on the page.
func (q *Question) takes(text string) bool {
	if q.Kind == AsChoice {
		return slices.Contains(q.Words, text)
	}
	return len(text) <= maxAnswer && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

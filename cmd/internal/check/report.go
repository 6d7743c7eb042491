package check

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Step is one step in check --json: part of the contract. Note is empty where
// there is nothing to say, Cause, Text and Remedy where the step succeeded.
type Step struct {
	Step   string `json:"step"`
	OK     bool   `json:"ok"`
	MS     int64  `json:"ms"`
	Note   string `json:"note"`
	Cause  string `json:"cause"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

// NewStep puts a step of a probe into words.
func NewStep(s probe.Step, remedy string) Step {
	st := Step{Step: s.Name, OK: s.Err == nil, MS: s.Took.Milliseconds(), Note: s.Note}
	if s.Err != nil {
		st.Cause, st.Text, st.Remedy = cause.Of(s.Err).Code, cause.Summary(s.Err), remedy
	}
	return st
}

// Result is one account or destination, or the retained copies that no poll sends,
// in check --json: part of the contract.
type Result struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`

	kind, where string
}

// String names what is checked.
func (r *Result) String() string { return fmt.Sprintf("%s %s (%s)", r.kind, r.Name, r.where) }

func (r *Result) add(s Step) {
	r.OK = r.OK && s.OK
	r.Steps = append(r.Steps, s)
}

// Report shows a check while it goes on. Each step belongs to the result that
// began last, and is in it already.
type Report interface {
	Begin(*Result)
	Step(Step)
	End(ok bool) error
}

// JSON prints one document at the end.
type JSON struct {
	w                              io.Writer
	accounts, destinations, copies []*Result
}

// NewJSON returns a report that prints to w.
func NewJSON(w io.Writer) *JSON {
	return &JSON{w: w, accounts: []*Result{}, destinations: []*Result{}, copies: []*Result{}} // none is []
}

// Begin implements Report.
func (j *JSON) Begin(r *Result) {
	switch r.kind {
	case kindAccount:
		j.accounts = append(j.accounts, r)
	case kindCopies:
		j.copies = append(j.copies, r)
	default:
		j.destinations = append(j.destinations, r)
	}
}

// Step implements Report.
func (*JSON) Step(Step) {}

// End implements Report.
func (j *JSON) End(bool) error {
	return report.WriteJSON(j.w, map[string]any{"accounts": j.accounts, "destinations": j.destinations, "copies": j.copies})
}

// Text prints a line for each step: with ticks and crosses on a terminal, in
// words elsewhere.
type Text struct {
	w       io.Writer
	marks   terminal.Marks
	err     error
	targets int
	current string   // the target that began last
	failed  []string // targets
}

// NewText returns a report that prints to w.
func NewText(w io.Writer, isTerminal bool, getenv func(string) string) *Text {
	return &Text{w: w, marks: terminal.NewMarks(isTerminal, getenv)}
}

// Begin implements Report.
func (t *Text) Begin(r *Result) {
	if t.targets > 0 {
		t.printf("\n")
	}
	t.targets++
	t.current = r.kind + " " + r.Name
	t.printf("%s\n", r)
}

// Step implements Report.
func (t *Text) Step(s Step) {
	s.Note, s.Text, s.Remedy = terminal.Escape(s.Note), terminal.Escape(s.Text), terminal.Escape(s.Remedy)
	if s.OK {
		t.line(t.marks.OK, s, s.Note)
		return
	}
	if n := len(t.failed); n == 0 || t.failed[n-1] != t.current {
		t.failed = append(t.failed, t.current)
	}
	if s.Note != "" {
		s.Text = s.Note + ": " + s.Text
	}
	t.line(t.marks.Failed, s, s.Text)
	if s.Remedy != "" {
		t.printf("%s\n", terminal.WrapText("    > "+s.Remedy, terminal.Width(t.w)))
	}
}

// line prints a step. What does not fit stands below its name.
func (t *Text) line(mark string, s Step, words string) {
	took := fmt.Sprintf("%d ms", s.MS)
	if d := time.Duration(s.MS) * time.Millisecond; d >= 10*time.Second {
		took = fmt.Sprintf("%.0f s", d.Seconds())
	}
	columns := fmt.Sprintf("  %-8s  %6s  ", s.Step, took)
	used := 2 + t.marks.Width + utf8.RuneCountInString(columns)
	words = terminal.Wrap(words, terminal.Width(t.w), used, 2+t.marks.Width+2)
	t.printf("%s\n", strings.TrimRight("  "+mark+columns+words, " "))
}

// End implements Report.
func (t *Text) End(ok bool) error {
	switch {
	case t.targets == 0:
		t.printf("There is nothing to check.\n")
	case ok:
		t.printf("\nAll is well.\n")
	default:
		t.printf("\nProblems: %s.\n", strings.Join(t.failed, ", "))
	}
	return t.err
}

// printf prints unless that has failed before.
func (t *Text) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

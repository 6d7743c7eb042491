package main

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

// checkStep is one step in check --json: part of the contract. Note is empty
// where there is nothing to say, Cause, Text and Remedy where it went well.
type checkStep struct {
	Step   string `json:"step"`
	OK     bool   `json:"ok"`
	MS     int64  `json:"ms"`
	Note   string `json:"note"`
	Cause  string `json:"cause"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

// newCheckStep puts a step into words.
func newCheckStep(s probe.Step, remedy string) checkStep {
	st := checkStep{Step: s.Name, OK: s.Err == nil, MS: s.Took.Milliseconds(), Note: s.Note}
	if s.Err != nil {
		st.Cause, st.Text, st.Remedy = cause.Of(s.Err).Code, cause.Summary(s.Err), remedy
	}
	return st
}

// checkResult is one account or destination in check --json.
type checkResult struct {
	Name  string      `json:"name"`
	OK    bool        `json:"ok"`
	Steps []checkStep `json:"steps"`

	kind, where string
}

func (r *checkResult) add(s checkStep) {
	r.OK = r.OK && s.OK
	r.Steps = append(r.Steps, s)
}

// checkReport shows a check while it goes on.
type checkReport interface {
	begin(*checkResult)
	step(checkStep)
	end(ok bool) error
}

// checkJSON prints one document at the end.
type checkJSON struct {
	w                      io.Writer
	accounts, destinations []*checkResult
}

func (j *checkJSON) begin(r *checkResult) {
	if r.kind == kindAccount {
		j.accounts = append(j.accounts, r)
	} else {
		j.destinations = append(j.destinations, r)
	}
}

func (*checkJSON) step(checkStep) {}

func (j *checkJSON) end(bool) error {
	list := func(l []*checkResult) []*checkResult { return append([]*checkResult{}, l...) } // none is []
	return report.WriteJSON(j.w, map[string]any{"accounts": list(j.accounts), "destinations": list(j.destinations)})
}

// checkText prints a line for each step: with ticks and crosses on a terminal,
// in words elsewhere.
type checkText struct {
	w          io.Writer
	marks      terminal.Marks
	err        error
	subjects   int
	notWell    []string // names of subjects
	now        string
	nowNotWell bool
}

func newCheckText(w io.Writer, isTerminal bool, getenv func(string) string) *checkText {
	return &checkText{w: w, marks: terminal.NewMarks(isTerminal, getenv)}
}

func (t *checkText) begin(r *checkResult) {
	if t.subjects > 0 {
		t.printf("\n")
	}
	t.subjects++
	t.now, t.nowNotWell = r.kind+" "+r.Name, false
	t.printf("%s (%s)\n", t.now, r.where)
}

func (t *checkText) step(s checkStep) {
	s.Note, s.Text, s.Remedy = terminal.Escape(s.Note), terminal.Escape(s.Text), terminal.Escape(s.Remedy)
	took := time.Duration(s.MS) * time.Millisecond
	if s.OK {
		t.line(t.marks.OK, s.Step, took, s.Note)
		return
	}
	if !t.nowNotWell {
		t.notWell = append(t.notWell, t.now)
	}
	t.nowNotWell = true
	about := ""
	if s.Note != "" {
		about = s.Note + ": "
	}
	t.line(t.marks.Failed, s.Step, took, about+s.Text)
	if s.Remedy != "" {
		t.printf("%s\n", terminal.WrapText("    > "+s.Remedy, terminal.Width(t.w)))
	}
}

// line prints a step. What does not fit stands below its name.
func (t *checkText) line(mark, step string, took time.Duration, words string) {
	columns := fmt.Sprintf("  %-8s  %6s  ", step, shortTime(took))
	taken := 2 + t.marks.Width + utf8.RuneCountInString(columns)
	words = terminal.Wrap(words, terminal.Width(t.w), taken, 2+t.marks.Width+2)
	t.printf("%s\n", strings.TrimRight("  "+mark+columns+words, " "))
}

// shortTime is a time as short as it can be read.
func shortTime(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func (t *checkText) end(ok bool) error {
	switch {
	case t.subjects == 0:
		t.printf("There is nothing to check.\n")
	case ok:
		t.printf("\nAll is well.\n")
	default:
		t.printf("\nNot well: %s.\n", strings.Join(t.notWell, ", "))
	}
	return t.err
}

// printf prints unless that has failed before.
func (t *checkText) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

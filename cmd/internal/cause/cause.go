package cause

import (
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/printable"
)

// Cause is one entry of the catalogue.
type Cause struct {
	Code   string // stable, lower case with underscores
	What   string // what happened: a phrase without a full stop
	Remedy string // what to do: a sentence; "" if there is nothing to do
}

// Of returns the first entry that matches an error. There is always one.
func Of(err error) Cause {
	for _, e := range catalogue {
		if e.matches(err) {
			return e.Cause
		}
	}
	return other
}

// ByCode returns the entry with a code, as stored in the ledger.
func ByCode(code string) Cause {
	for _, e := range catalogue {
		if e.Code == code {
			return e.Cause
		}
	}
	return other
}

// Describe returns what the ledger stores of an error.
func Describe(err error) ledger.Cause {
	return ledger.Cause{Code: Of(err).Code, Text: printable.Lines(err.Error())}
}

// Line describes a failure in one line: who, what happened, the evidence, what to
// do.
func Line(who string, err error) string {
	return line(who, Of(err), printable.Lines(err.Error()))
}

// Explain wraps an error so that its text is its Line.
func Explain(who string, err error) error { return &explained{who, err} }

type explained struct {
	who string
	err error
}

func (e *explained) Error() string { return Line(e.who, e.err) }
func (e *explained) Unwrap() error { return e.err }

// StoredLine is Line for an error that is stored in the ledger.
func StoredLine(who string, c ledger.Cause) string {
	return line(who, ByCode(c.Code), printable.Lines(c.Text))
}

// Summary says what happened, with the innermost evidence. It is for callers that
// show the account, the step and the remedy next to it.
func Summary(err error) string { return words(Of(err), printable.Lines(evidence(err))) }

func words(c Cause, evidence string) string {
	evidence = strings.TrimRight(evidence, ".")
	if strings.HasPrefix(evidence, c.What) {
		return evidence
	}
	return c.What + ": " + evidence
}

func line(who string, c Cause, evidence string) string {
	s := who + ": " + words(c, evidence)
	if c.Remedy != "" {
		s += ". " + c.Remedy
	}
	return s
}

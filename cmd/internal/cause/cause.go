package cause

import (
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Cause is one entry of the catalogue.
type Cause struct {
	Code   string // stable, lower case with underscores
	What   string // what happened, a phrase without a full stop
	Remedy string // what to do, a sentence; "" if nothing is to be done
}

// Of finds the entry that fits an error. There is always one.
func Of(err error) Cause {
	for _, e := range catalogue {
		if e.fits(err) {
			return e.Cause
		}
	}
	return other
}

// ByCode finds an entry by its code, as the ledger keeps it.
func ByCode(code string) Cause {
	for _, e := range catalogue {
		if e.Code == code {
			return e.Cause
		}
	}
	return other
}

// Describe is what the ledger keeps of an error.
func Describe(err error) ledger.Cause {
	return ledger.Cause{Code: Of(err).Code, Text: oneLine(err.Error())}
}

// Line tells of a failure in one line: who, what happened, the evidence, what
// to do.
func Line(who string, err error) string {
	return line(who, Of(err), oneLine(err.Error()))
}

// Explain is an error whose text is its Line.
func Explain(who string, err error) error { return &explained{who, err} }

type explained struct {
	who string
	err error
}

func (e *explained) Error() string { return Line(e.who, e.err) }
func (e *explained) Unwrap() error { return e.err }

// StoredLine is Line for what the ledger kept of an error.
func StoredLine(who string, c ledger.Cause) string {
	return line(who, ByCode(c.Code), c.Text)
}

// Summary says what happened and the innermost evidence, for who shows the rest
// beside it: who it is about, at which step, and what to do.
func Summary(err error) string { return words(Of(err), oneLine(evidence(err))) }

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

// oneLine puts errors that were joined on one line.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "\n", "; ")), " ")
}

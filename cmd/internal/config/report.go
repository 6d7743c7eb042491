package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one error in a file.
type Error struct {
	File string
	Line int    // 0: the file as a whole
	Key  string // such as accounts[isp].tls; empty: the file as a whole
	Text string

	column int
}

// Error returns one line, FILE:LINE: KEY: text.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}

// Errors has everything that is wrong, sorted by file and line. It is never
// empty.
type Errors struct {
	List []Error
	// Files and Patterns are as in Config, as far as they were read: a change of
	// one of them may fix the error.
	Files    []string
	Patterns []string
}

// Error returns one line for each error.
func (e *Errors) Error() string {
	return strings.Join(lines(e.List), "\n")
}

// report collects errors and warnings. A nil report collects nothing.
type report struct {
	errors, warnings []Error
}

func (r *report) fail(e Error) {
	if r != nil {
		r.errors = append(r.errors, e)
	}
}

func (r *report) warn(e Error) {
	if r != nil {
		r.warnings = append(r.warnings, e)
	}
}

// err returns all errors, or nil.
func (r *report) err() *Errors {
	if len(r.errors) == 0 {
		return nil
	}
	return &Errors{List: inOrder(r.errors)}
}

// inOrder sorts by position and drops duplicates.
func inOrder(list []Error) []Error {
	slices.SortFunc(list, func(a, b Error) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.column, b.column),
			strings.Compare(a.Key, b.Key),
			strings.Compare(a.Text, b.Text),
		)
	})
	return slices.Compact(list)
}

func lines(list []Error) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Error()
	}
	return out
}

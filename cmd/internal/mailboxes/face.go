package mailboxes

import (
	"fmt"
	"strings"

	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/talk"
)

// face is a talk as the packages want it that ask and report.
type face struct{ *talk.Talk }

// Step implements setup.FrontEnd, signin.FrontEnd and check.Report.
func (f face) Step(s check.Step) {
	words := []string{s.Step}
	for _, more := range []string{s.Note, s.Text} {
		if more != "" {
			words = append(words, more)
		}
	}
	l := talk.Line{Mark: talk.Success, Text: fmt.Sprintf("%s (%d ms)", strings.Join(words, ": "), s.MS)}
	if !s.OK {
		l.Mark, l.Remedy = talk.Failure, s.Remedy
	}
	f.Add(l)
}

// Begin implements check.Report.
func (f face) Begin(r *check.Result) { f.Say("%s", r) }

// End implements check.Report.
func (f face) End(bool) error { return nil }

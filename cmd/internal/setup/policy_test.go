package setup

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// script is a front end that gives prepared answers, and has what was said.
type script struct {
	t       *testing.T
	answers []string
	said    strings.Builder
}

func (f *script) Say(format string, args ...any)    { fmt.Fprintf(&f.said, format+"\n", args...) }
func (f *script) OK(format string, args ...any)     { f.Say(format, args...) }
func (f *script) Failed(format string, args ...any) { f.Say(format, args...) }
func (f *script) Step(s check.Step)                 { f.Say("%s", s.Step) }
func (f *script) Interactive() bool                 { return f.answers != nil }

func (f *script) Ask(_ context.Context, question, _ string) (string, error) {
	f.t.Helper()
	if len(f.answers) == 0 {
		f.t.Fatalf("asked %q, want no more questions", question)
	}
	answer := f.answers[0]
	f.answers = f.answers[1:]
	return answer, nil
}

func (f *script) Secret(ctx context.Context, question string) (string, error) {
	return f.Ask(ctx, question, "")
}

func (f *script) Choose(ctx context.Context, question string, _ ...string) (string, error) {
	return f.Ask(ctx, question, "")
}

func (f *script) Confirm(ctx context.Context, question string, _ bool) (bool, error) {
	answer, err := f.Ask(ctx, question, "")
	return answer == "yes", err
}

func TestLeaveIsAskedUntilTheConfigurationTakesIt(t *testing.T) {
	t.Parallel()
	for want, replies := range map[string][]string{
		"true": {"y"}, "false": {"NO"}, "14d": {"14d"}, "2w": {"fortnight", "14", "2w"}, "36h": {"0h", "36H"},
	} {
		f := &script{t: t, answers: replies}
		s := &setup{FrontEnd: f}
		if got, err := s.chooseLeave(t.Context()); err != nil || got != want {
			t.Errorf("answers %q lead to %q, %v; want %q", replies, got, err, want)
		}
		if got, want := strings.Count(f.said.String(), "is neither yes, no nor a time"), len(replies)-1; got != want {
			t.Errorf("answers %q: %d were refused, want %d:\n%s", replies, got, want, &f.said)
		}
	}
}

// What has to be done at the provider first comes with the page for it.
func TestNotesOfAProvider(t *testing.T) {
	t.Parallel()
	known, ok := provider.ByName("gmail")
	if !ok || known.AppPassword == nil || known.AppPassword.URL == "" {
		t.Fatalf("gmail is %+v, want a page for app passwords", known)
	}
	f := &script{t: t}
	s := &setup{FrontEnd: f}
	s.showNotes(&known)
	s.showNotes(nil)
	if got := f.said.String(); !strings.Contains(got, "create an app password: ") || !strings.Contains(got, known.AppPassword.URL) {
		t.Errorf("said %q, want the app password and %s", got, known.AppPassword.URL)
	}
}

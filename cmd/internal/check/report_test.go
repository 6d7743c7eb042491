package check

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// An error counts although every step that was reported succeeded.
func TestErrorWithoutAFailedStepIsReported(t *testing.T) {
	t.Parallel()
	list := []target{{kindAccount, "isp", "leo at pop.isp.test:995", func(_ context.Context, report func(Step)) error {
		report(Step{Step: "login", OK: true})
		return errors.New("the session fell apart")
	}}}
	c := checker{Options{Config: &config.Config{}}}
	var out bytes.Buffer
	ok, err := c.run(t.Context(), list, NewText(&out, false, func(string) string { return "" }))
	if ok || err != nil || !strings.Contains(out.String(), "FAILED  check") || !strings.Contains(out.String(), "the session fell apart") {
		t.Errorf("run = %v, %v; want false and no error, with a failed step \"check\" in\n%s", ok, err, out.String())
	}
}

// Ticks and crosses on a terminal, with colours where they are wanted; words
// elsewhere. Nothing that a server says acts on the terminal.
func TestTextReport(t *testing.T) {
	t.Parallel()
	const tick, cross = "\x1b[32m✓\x1b[0m", "\x1b[31m✗\x1b[0m"
	for name, tt := range map[string]struct {
		terminal  bool
		env       map[string]string
		good, bad string
	}{
		"a terminal":       {true, map[string]string{"TERM": "xterm"}, "  " + tick + "  greeting", "  " + cross + "  login"},
		"without colours":  {true, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, "  ✓  greeting", "  ✗  login"},
		"a dumb terminal":  {true, map[string]string{"TERM": "dumb"}, "  ok      greeting", "  FAILED  login"},
		"no terminal":      {false, map[string]string{"TERM": "xterm"}, "  ok      greeting", "  FAILED  login"},
		"NO_COLOR is said": {true, map[string]string{"NO_COLOR": ""}, tick, cross},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			text := NewText(&out, tt.terminal, func(key string) string { return tt.env[key] })
			text.Begin(&Result{Name: "isp", kind: kindAccount, where: "leo at pop.isp.test:995"})
			text.Step(Step{Step: "greeting", OK: true, MS: 12, Note: "hello \x1b[2J\u202eolleh"})
			text.Step(Step{Step: "login", MS: 20_000, Cause: "credentials", Text: "the login was refused: \x1b]0;owned\x07", Remedy: "Check it."})
			if err := text.End(false); err != nil {
				t.Fatal(err)
			}
			got := out.String()
			for _, want := range []string{"account isp (leo at pop.isp.test:995)\n", tt.good, tt.bad, `12 ms  hello \x1b[2J\u202eolleh`, `20 s  the login was refused: \x1b]0;owned\a`,
				"\n    > Check it.\n", "\nProblems: account isp.\n"} {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in\n%q", want, got)
				}
			}
			if clean := strings.NewReplacer(tick, "", cross, "").Replace(got); strings.ContainsAny(clean, "\x1b\x07\u202e") {
				t.Errorf("it acts on the terminal: %q", got)
			}
		})
	}
}

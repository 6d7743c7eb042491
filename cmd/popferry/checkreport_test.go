package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestCheckUntold: what ends with an error is not well, though every step that
// was told of is.
func TestCheckUntold(t *testing.T) {
	t.Parallel()
	list := []subject{{kindAccount, "isp", "leo at pop.isp.test:995", func(_ context.Context, tell func(checkStep)) error {
		tell(checkStep{Step: "login", OK: true})
		return errors.New("the session fell apart")
	}}}
	k := checker{cfg: &config.Config{}}
	var out bytes.Buffer
	ok, err := k.run(t.Context(), list, newCheckText(&out, false, func(string) string { return "" }))
	if ok || err != nil || !strings.Contains(out.String(), "FAILED  check") || !strings.Contains(out.String(), "the session fell apart") {
		t.Errorf("ok %v, %v:\n%s", ok, err, out.String())
	}
}

// TestCheckText: ticks and crosses on a terminal, with colours where they are
// wanted; words elsewhere. Nothing that a server says acts on the terminal.
func TestCheckText(t *testing.T) {
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
			c := newCheckText(&out, tt.terminal, func(key string) string { return tt.env[key] })
			c.begin(&checkResult{Name: "isp", kind: kindAccount, where: "leo at pop.isp.test:995"})
			c.step(checkStep{Step: "greeting", OK: true, MS: 12, Note: "hello \x1b[2J\u202eolleh"})
			c.step(checkStep{Step: "login", MS: 20_000, Cause: "credentials", Text: "the login was refused: \x1b]0;owned\x07", Remedy: "Check it."})
			if err := c.end(false); err != nil {
				t.Fatal(err)
			}
			got := out.String()
			for _, want := range []string{"account isp (leo at pop.isp.test:995)\n", tt.good, tt.bad, `12 ms  hello \x1b[2J\u202eolleh`, `20 s  the login was refused: \x1b]0;owned\a`,
				"\n    > Check it.\n", "\nNot well: account isp.\n"} {
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

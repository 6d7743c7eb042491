package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCheckSetups: what check says of broken set-ups, as it stands in
// testdata/check/setups.txt. To write that anew: POPFERRY_WRITE_GOLDEN=1 go test
func TestCheckSetups(t *testing.T) {
	t.Parallel()
	said := make([]string, len(popSetups)+len(smtpSetups))
	t.Run("each", func(t *testing.T) {
		for i, s := range slices.Concat(popSetups, smtpSetups) {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				w := newCheckWorld(t)
				if s.world != nil {
					s.world(w)
				}
				account, forward := w.good()
				if s.account != "" {
					account = s.account
				}
				if s.forward != "" {
					forward = s.forward
				}
				code, out, errs := w.check(account, forward)
				if code != exitAgain || errs != "" && !strings.HasPrefix(errs, "popferry: warning:") {
					t.Errorf("exit %d, stderr %q, stdout %s", code, errs, out)
				}
				said[i] = "== " + s.name + "\n" + notWell(t, out)
			})
		}
	})
	golden(t, filepath.Join("testdata", "check", "setups.txt"), strings.Join(said, "\n"))
}

// notWell is the part of check's output about what is not well, without what
// is another each time.
func notWell(t *testing.T, out string) string {
	t.Helper()
	var blocks []string
	for block := range strings.SplitSeq(out, "\n\n") {
		if strings.Contains(block, "FAILED") {
			blocks = append(blocks, strings.TrimRight(block, "\n"))
		}
	}
	if len(blocks) == 0 {
		t.Errorf("nothing has failed:\n%s", out)
	}
	text := strings.Join(blocks, "\n") + "\n"
	for _, r := range []struct{ from, to string }{
		{` +\d+ m?s\b`, "  # ms"},
		{`sha256:[0-9a-f]{64}`, "sha256:1234"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\d{4}-\d\d-\d\d`, "DATE"},
		{`(lookup \S+) on \S+:`, "$1:"},
	} {
		text = regexp.MustCompile(r.from).ReplaceAllString(text, r.to)
	}
	return text
}

// golden compares a text with a file's.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if os.Getenv("POPFERRY_WRITE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s has other words; now they are:\n%s", path, text)
	}
}

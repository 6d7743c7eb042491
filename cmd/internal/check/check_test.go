package check

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What check says of broken set-ups stands in testdata/setups.txt. To write that
// file again: POPFERRY_WRITE_GOLDEN=1 go test
func TestTextOfBrokenSetups(t *testing.T) {
	t.Parallel()
	setups := slices.Concat(popSetups, smtpSetups, imapSetups, proxySetups)
	said := make([]string, len(setups))
	t.Run("each", func(t *testing.T) {
		for i, s := range setups {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				if s.change != nil {
					s.change(f)
				}
				account, forward := f.good()
				ok, text, _ := f.check(cmp.Or(s.account, account), cmp.Or(s.forward, forward))
				if ok {
					t.Errorf("check says that all is well, want a problem:\n%s", text)
				}
				said[i] = "== " + s.name + "\n" + problems(t, text)
			})
		}
	})
	golden(t, filepath.Join("testdata", "setups.txt"), strings.Join(said, "\n"))
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ok, text, warnings := f.check(f.good())
	if !ok || len(warnings) > 0 || !strings.HasSuffix(text, "\nAll is well.\n") || strings.Contains(text, "\x1b") {
		t.Errorf("ok = %v, warnings %q; want true, none, and plain text that ends with \"All is well.\":\n%s", ok, warnings, text)
	}
}

// A certificate that ends soon is mentioned, but is not a problem yet.
func TestEndingCertificateIsMentioned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, forward := f.good()
	certified(-time.Hour, 24*time.Hour, popHost)(f)
	ok, text, _ := f.check(isp, forward)
	if n := strings.Count(text, "; its certificate ends on "); n != 1 || !ok {
		t.Errorf("ok = %v, mentioned %d times; want true and once:\n%s", ok, n, text)
	}
}

// problems returns the part of the output about failures, without what differs
// each time.
func problems(t *testing.T, out string) string {
	t.Helper()
	var blocks []string
	for block := range strings.SplitSeq(out, "\n\n") {
		if strings.Contains(block, "FAILED") {
			blocks = append(blocks, strings.TrimRight(block, "\n"))
		}
	}
	if len(blocks) == 0 {
		t.Errorf("nothing has failed, want a failure:\n%s", out)
	}
	text := strings.Join(blocks, "\n") + "\n"
	for _, r := range []struct{ from, to string }{
		{` +\d+ m?s\b`, "  # ms"},
		{`sha256:[0-9a-f]{64}`, "sha256:1234"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\d{4}-\d\d-\d\d`, "DATE"},
		{`(lookup \S+) on \S+:`, "$1:"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`\bDATE \d\d:\d\d(:\d\d)?\b`, "DATE"},
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

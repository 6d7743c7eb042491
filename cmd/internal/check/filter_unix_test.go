//go:build unix

package check

import (
	"strings"
	"testing"
)

// A filter is tried with a made-up message. What it does with that is no problem; that it
// fails is.
func TestFilterIsTried(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]struct {
		ok    bool
		words string
	}{
		"grep -q ^Message-ID.*popferry-check":       {true, "exit code 0: it would send a made-up message\n"},
		"echo X-Popferry-To. a@good.test | tr . .:": {false, "what the filter of the account prints is no answer"},
		"printf X-Popferry-To:a@good.test":          {true, "exit code 0: it would send a made-up message to a@good.test\n"},
		"echo spam >&2; exit 99":                    {true, "exit code 99: it would not send a made-up message (spam)\n"},
		"exit 99":                                   {true, "exit code 99: it would not send a made-up message\n"},
		"echo no network >&2; exit 75":              {false, "exit status 75: no network"},
		"/no/such/program":                          {false, "exit status 127"},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			account, forward := f.good()
			ok, text, _ := f.check(account+`, filter: [sh, -c, "`+script+`"]`, forward)
			if ok != want.ok || !strings.Contains(text, want.words) || !strings.Contains(text, "listing") {
				t.Errorf("ok = %v; want %v, %q and that the mailbox was tried, too:\n%s", ok, want.ok, want.words, text)
			}
		})
	}
}

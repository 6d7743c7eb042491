package legacy

import (
	"fmt"
	"testing"
)

// A regular expression is carried over only if it stands for addresses.
func TestAddressPattern(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"jeff@example.net": "jeff@example.net", `^Jeff@example\.net$`: "jeff@example.net", "alice@": "alice", "^alice@.*$": "alice", "^a.b@": "a.b",
		"@example.org": "*@example.org", `^.*@example\.org$`: "*@example.org",
		"": "", ".": "", ".*": "", "@": "", "jeff": "", "^(jeff|jefferey)@": "", `jeff\?@`: "", `a\w+@`: "", "a@b@c": "", "a b@c": "",
	} {
		if got, ok := addressPattern(pattern); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t; want %q", pattern, got, ok, want)
		}
	}
}

// Pairs are read as Python reads them, or not at all.
func TestPairs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"()": "[]", "('a', 'b')": "[[a b]]", `(('a', 'b'),)`: "[[a b]]", "(\n('a)', \"b'\"),\n(r'c\\d', 'e'),\n)": `[[a) b'] [c\d e]]`,
		"": "no", "('a',)": "no", "('a', 'b', 'c')": "no", "(('a', 'b'), 'c')": "no", "(('a', 'b')": "no", "(('a', 'b'), (c, 'd'))": "no", "('a": "no",
	} {
		got := "no"
		if pairs, ok := parsePairs(text); ok {
			got = fmt.Sprint(pairs)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

package wire

import (
	"strings"
	"testing"
)

func TestEncodeUTF7(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                   "",
		"INBOX":              "INBOX",
		"a&b":                "a&-b",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // RFC 3501 5.1.3
		"Entwürfe":           "Entw&APw-rfe",
		"\t":                 "&AAk-",
		"😀&":                 "&2D3eAA-&-",
	} {
		if got := EncodeUTF7(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": `""`, `a"b\`: `"a\"b\\"`, "a\r\nb\x00": `"ab"`, "ü": `"ü"`} {
		if got := Quote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestHide: nothing of a secret that is long enough to be of use is left.
func TestHide(t *testing.T) {
	t.Parallel()
	var h hider
	h.add("Correct-Horse", "pw", "")
	for in, want := range map[string]string{
		"nothing here":             "nothing here",
		"it was Correct-Horse, no": "it was ***, no",
		"it was CORRECT-HORSE":     "it was ***",
		"cut: Correct-H":           "cut: ***",
		"cut: ect-Horse!":          "cut: ***!",
		"İİCorrect-Horseİ":         "İİ***İ",
		"the pw":                   "the ***",
		"Correct":                  "Correct",
	} {
		if got := h.hide(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("x", 10_000) + "Correct-Horse"
	if got := ShortText(h.hide(long)); strings.Contains(got, "Correct") || len(got) > 1024 {
		t.Errorf("got %d octets", len(got))
	}
}

package wire

import (
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

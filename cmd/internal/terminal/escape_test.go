package terminal

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestEscaper(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"Subject: Köln 日本\r\n\r\n\tx\n": "Subject: Köln 日本\r\n\r\n\tx\n",
		"\x1b]0;title\x07":              `\x1b]0;title\a`,
		"over\rwritten":                 `over\rwritten`,
		"at the end\r":                  `at the end\r`,
		"\xff\xfe, Latin-1: M\xfcller":  `\xff\xfe, Latin-1: M\xfcller`,
		"\u009b31m C1 in UTF-8":         `\u009b31m C1 in UTF-8`,
		"\x9b31m C1 alone":              `\x9b31m C1 alone`,
		"\u202egnp.exe\u2066":           `\u202egnp.exe\u2066`,
		"cut in a character: \xe6\x97":  `cut in a character: \xe6\x97`,
		"\ufffd is a character as well": "\ufffd is a character as well",
		"a no-break space:\u00a0.\x00":  "a no-break space:\u00a0.\\x00",
	} {
		for name, r := range map[string]io.Reader{
			"whole":          strings.NewReader(text),
			"octet by octet": iotest.OneByteReader(strings.NewReader(text)),
		} {
			var out bytes.Buffer
			s := NewEscaper(&out)
			if _, err := io.Copy(s, r); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil || out.String() != want {
				t.Errorf("%s: %q became %q, want %q", name, text, out.String(), want)
			}
		}
	}
}

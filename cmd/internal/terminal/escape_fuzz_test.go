package terminal

import (
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzEscape: whatever a server says, nothing reaches the terminal that acts on it,
// however the text is cut on its way.
func FuzzEscape(f *testing.F) {
	f.Add("550 \x1b]0;title\x07 m\u00fcde \u202egnp.exe\r\n", 3)
	f.Add("\xc2\x9b31m\u009b31m\xff\r\r\n\t\u2028\u200b", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		out := Escape(text)
		if !utf8.ValidString(out) {
			t.Errorf("%q is written as %q, which is not UTF-8", text, out)
		}
		rest := strings.NewReplacer("\r\n", "", "\n", "", "\t", "").Replace(out)
		if i := strings.IndexFunc(rest, func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || !unicode.IsGraphic(r)
		}); i >= 0 {
			t.Errorf("%q is written as %q", text, out)
		}
		if len(out) > 10*len(text) {
			t.Errorf("%d octets become %d", len(text), len(out))
		}
		if cut > 0 && cut < len(text) {
			var b strings.Builder
			e := NewEscaper(&b)
			_, _ = io.WriteString(e, text[:cut])
			_, _ = io.WriteString(e, text[cut:])
			_ = e.Close()
			if b.String() != out {
				t.Errorf("%q, cut at %d, is written as %q, want %q", text, cut, b.String(), out)
			}
		}
		line := Printable(text, 40)
		if utf8.RuneCountInString(line) > 40 || strings.ContainsFunc(line, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", text, line)
		}
	})
}

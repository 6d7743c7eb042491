package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, text, line string }{
		"ASCII":             {"Mailbox is full.", "Mailbox is full.", "Mailbox is full."},
		"letters":           {"é ü 日本 👍", "é ü 日本 👍", "é ü 日本 👍"},
		"C0":                {"a\x1b]0;owned\x07b\x00", "a?]0;owned?b?", "a?]0;owned?b?"},
		"DEL":               {"a\x7fb", "a?b", "a?b"},
		"C1":                {"a\u009b2J\u009d0;x\u009cb", "a?2J?0;x?b", "a?2J?0;x?b"},
		"direction":         {"a\u202egpj.exe\u2066\u200f", "a?gpj.exe??", "a?gpj.exe??"},
		"no width":          {"a\u200b\u200d\ufeff\u2060\u00adb", "a?????b", "a?????b"},
		"tags":              {"a\U000e0041b", "a?b", "a?b"},
		"private":           {"a\ue000b", "a?b", "a?b"},
		"white space":       {" a\r\n\t b\u00a0\u2028c\u0085 ", " a    b  c  ", "a b c"},
		"not UTF-8":         {"a\xff\x9bb", "a\ufffd\ufffdb", "a\ufffd\ufffdb"},
		"half a surrogate":  {"a\xed\xa0\x80b", "a\ufffd\ufffd\ufffdb", "a\ufffd\ufffd\ufffdb"},
		"overlong ESC, NUL": {"\xc0\x9b\xc0\x80", "\ufffd\ufffd\ufffd\ufffd", "\ufffd\ufffd\ufffd\ufffd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Text(tt.in); got != tt.text {
				t.Errorf("Text: got %q, want %q", got, tt.text)
			}
			if got := Line(tt.in); got != tt.line {
				t.Errorf("Line: got %q, want %q", got, tt.line)
			}
		})
	}
	if got, want := Lines("one\n two\n"), "one; two"; got != want {
		t.Errorf("Lines: got %q, want %q", got, want)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in     string
		octets int
		want   string
	}{
		{"1234567", 7, "1234567"},
		{"12345678", 7, "1234..."},
		{"123ü5678", 7, "123..."}, // not half of it
		{"12345678", 2, "..."},
	} {
		if got := Cut(tt.in, tt.octets); got != tt.want {
			t.Errorf("%q to %d: got %q, want %q", tt.in, tt.octets, got, tt.want)
		}
	}
	if got := Reply(strings.Repeat("no\x1b ", 1<<14)); len(got) != MaxReply || !strings.HasSuffix(got, "...") {
		t.Errorf("got %d octets, want %d with a mark", len(got), MaxReply)
	}
}

// FuzzText: whatever comes in, what comes out is UTF-8 that shows.
func FuzzText(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{Text(s), Line(s), Lines(s), Reply(s), Cut(Text(s), 10)} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
				t.Errorf("%q: got %q", s, got)
			}
		}
	})
}

// FuzzJSON: the text has only characters that show, and means the same.
func FuzzJSON(f *testing.F) {
	f.Add("a\u009b\u202e\U000e0041\xff\x00\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		plain, err := json.MarshalIndent(map[string]string{s: s}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if n, err := JSONWriter(&b).Write(plain); n != len(plain) || err != nil {
			t.Fatal(n, err)
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return !Is(r) && r != '\n' && r != '\t' }) {
			t.Errorf("got %q", b.String())
		}
		var got, want map[string]string
		if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatal(err)
		}
		for key := range want {
			if got[key] != want[key] {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

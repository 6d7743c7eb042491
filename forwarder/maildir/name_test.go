package maildir

import (
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, want string }{
		{"0123abc", "0123abc"},
		{"Leo.x_y-z@example.org", "Leo.x_y-z@example.org"},
		{"", "~"},
		{"~", "%7E"},
		{".", "%2E"},
		{"..", "%2E."},
		{".hidden", "%2Ehidden"},
		{"../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
		{"a:2,S", "a%3A2%2CS"},
		{"a%3A", "a%253A"},
		{"a\\b c\x00\n", "a%5Cb%20c%00%0A"},
		{"é", "%C3%A9"},
		{"a~2", "a%7E2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fileName(tt.name); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	a, b := store(t, New(t.TempDir()), long+"a", message), fileName(long+"b")
	if strings.HasSuffix(a, b) {
		t.Errorf("two names became one: %s", b)
	}
	if n := fileName(strings.Repeat("x", longestName)); len(n) != longestName {
		t.Errorf("%q was cut without need", n)
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("a", "b")
	f.Add("", "~")
	f.Add("a:", "a%3A")
	f.Add(strings.Repeat("/", 100), strings.Repeat("/", 100)+" ")
	f.Fuzz(func(t *testing.T, a, b string) {
		name := fileName(a)
		if name == "" || len(name) > longestName || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == ':' || r == '\\' }) {
			t.Errorf("%q became %q", a, name)
		}
		if a != b && name == fileName(b) {
			t.Errorf("%q and %q became %q", a, b, name)
		}
	})
}

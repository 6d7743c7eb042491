package maildir

import (
	"strings"
	"testing"
	"time"
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

// TestKeyOf: files of other programs are no message of popferry's.
func TestKeyOf(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"1795334400.trace1.popferry,S=39":                    "trace1",
		"1795334400.trace1~2.popferry,S=39:2,S":              "trace1~2",
		"1795334400.M20046P2137.mail,S=4542,W=4642:2,S":      "",
		"1795334400.12345.popferry.example.org":              "",
		"trace1":                                             "",
		"x.trace1.popferry":                                  "",
		"dovecot-uidlist":                                    "",
		"1795334400.V801I8M5.host:2,":                        "",
		"1795334400.popferry,S=39":                           "",
		"1795334400.M1P1.popferry.popferry,S=39,W=40:2,RSab": "M1P1.popferry",
	} {
		if got := keyOf(file); got != want {
			t.Errorf("%s has the key %q, want %q", file, got, want)
		}
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
		for _, file := range []string{deliveredName(name, time.Unix(1, 0), 2), deliveredName(name, time.Time{}, 2) + ",W=3:2,S", "1." + name + ".popferry:2,"} {
			if got := keyOf(file); got != name {
				t.Errorf("%q has the key %q, want %q", file, got, name)
			}
		}
		if a != b && name == fileName(b) {
			t.Errorf("%q and %q became %q", a, b, name)
		}
	})
}

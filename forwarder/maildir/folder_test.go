package maildir

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFolderPath(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":            "box",
		"INBOX":       "box",
		"Inbox":       "box",
		"Work":        "box/.Work",
		"Work/ISP":    "box/.Work.ISP",
		"INBOX/Work":  "box/.INBOX.Work",
		"Two words":   "box/.Two words",
		"R&D":         "box/.R&-D",
		"Entwürfe":    "box/.Entw&APw-rfe",
		"台北/日本語":      "box/.&U,BTFw-.&ZeVnLIqe-", // RFC 3501 5.1.3
		"~peter/mail": "box/.~peter.mail",
		"😀":           "box/.&2D3eAA-",
		"äöü&":        "box/.&AOQA9gD8-&-",
	} {
		if err := CheckFolder(name); err != nil && name != "" {
			t.Errorf("%q: %v, want no error", name, err)
		}
		if got := filepath.ToSlash(folderPath("box", name)); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

// TestCheckFolder: no name leads out of the Maildir, or to a folder of another name.
func TestCheckFolder(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"..":                      "a dot",
		"../other":                "a dot",
		"Work/../../etc":          "a dot",
		".Work":                   "a dot",
		"example.net":             "a dot",
		"/etc":                    "empty part",
		"/":                       "empty part",
		"":                        "empty part",
		"Work/":                   "empty part",
		"Work//ISP":               "empty part",
		"a\x00b":                  "NUL",
		"\xff":                    "UTF-8",
		strings.Repeat("ü", 200):  "too long",
		strings.Repeat("x/", 200): "empty part",
		strings.Repeat("x", 255):  "256 octets",
	} {
		if err := CheckFolder(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want an error with %q", name, err, want)
		}
	}
}

// FuzzCheckFolder: what passes lies directly in the Maildir.
func FuzzCheckFolder(f *testing.F) {
	f.Add("Work/ISP")
	f.Add("../a")
	f.Add("R&D/ü")
	f.Fuzz(func(t *testing.T, name string) {
		if CheckFolder(name) != nil || isInbox(name) {
			return
		}
		path := folderPath("/box", name)
		if base := filepath.Base(path); filepath.Dir(path) != "/box" || len(base) < 2 || strings.Trim(base, ".") == "" || len(base) > longestFolder {
			t.Errorf("%q is %q", name, path)
		}
	})
}

package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The key enabled is set in its place or below the first line, and nothing else
// changes: neither comments nor spaces nor line ends.
func TestWithEnabled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text    string
		enabled bool
		want    string // "": it is not in the form that init writes
	}{
		"new":            {"# my mailbox\naccounts:\n  - name: isp # mine\n    host: pop.example.net\n", false, "# my mailbox\naccounts:\n  - name: isp # mine\n    enabled: false\n    host: pop.example.net\n"},
		"in its place":   {"accounts:\n- name: isp\n  host: a\n  enabled:   false   # on holiday\n  username: b\n", true, "accounts:\n- name: isp\n  host: a\n  enabled:   true   # on holiday\n  username: b\n"},
		"no line end":    {"accounts:\n  - host: a\n    enabled: true", false, "accounts:\n  - host: a\n    enabled: false"},
		"Windows":        {"accounts:\r\n  - name: isp\r\n    enabled: true\r\n", false, "accounts:\r\n  - name: isp\r\n    enabled: false\r\n"},
		"one line":       {"accounts:\n  - {name: isp, host: a}\n", false, ""},
		"two accounts":   {"accounts:\n  - name: isp\n  - name: club\n", false, ""},
		"more":           {"accounts:\n  - name: isp\nforward:\n  - host: a\n", false, ""},
		"two lines":      {"accounts:\n  - name: |\n      isp\n    host: a\n", false, ""},
		"quoted":         {"accounts:\n  - name: isp\n    enabled: \"true\"\n", false, ""},
		"a list":         {"- name: isp\n", false, ""},
		"nothing":        {"", false, ""},
		"not YAML":       {"accounts: [", false, ""},
		"an alias's key": {"accounts:\n  - name: &a isp\n    enabled: &b true\n", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			f, err := ParseAccountFile([]byte(tt.text))
			if err == nil {
				got, err = f.WithEnabled(tt.enabled)
			}
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// A file is replaced for its owner alone, unless it has been changed or is a link.
func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(path, []byte("before"), 0o644), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("something else"), []byte("after")); !errors.Is(err, ErrChanged) {
		t.Errorf("a file that was changed: %v, want ErrChanged", err)
	}
	if err := Replace(link, []byte("before"), []byte("after")); err == nil {
		t.Error("a link was replaced, want an error")
	}
	if text, _ := os.ReadFile(path); string(text) != "before" {
		t.Errorf("the file says %q, want it as it was", text)
	}
	if err := Replace(path, []byte("before"), []byte("after")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	info, err2 := os.Stat(path)
	entries, err3 := os.ReadDir(dir)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if string(text) != "after" || info.Mode().Perm() != 0o600 || len(entries) != 2 {
		t.Errorf("it says %q with mode %04o beside %d files, want after, 0600 and no draft", text, info.Mode().Perm(), len(entries)-1)
	}
}

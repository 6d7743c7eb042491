package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSketchRoundTrip: Load reads what a sketch says, whatever octets are in a
// password.
func TestSketchRoundTrip(t *testing.T) {
	t.Parallel()
	password := "no: \"yes\" #{[*&!|>'%@`\t\u00e9 "
	sketch := Sketch{
		Head:     "first line\nsecond line",
		Settings: Section{{Key: "schedule", Value: "@every 5m"}, {Key: "spool", Value: Section{{Key: "memory", Value: "8MB"}}}},
		Accounts: []Section{{
			{Key: "name", Value: "on", Comment: "a word that YAML would take for a bool"},
			{Key: "host", Value: "pop.example.net"},
			{Key: "port", Value: 1995},
			{Key: "username", Value: "0123"},
			{Key: "password", Value: password},
			{Key: "leave_on_server", Value: false},
		}},
		Forward: []Section{{
			{Key: "host", Value: "smtp.example.org"},
			{Key: "from", Value: "leo@example.org"},
			{Key: "to", Value: []string{"leo@example.org", "kim@example.org"}},
		}},
	}
	text, err := sketch.YAML()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "popferry.yaml")
	if err := Create(path, text); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, Env{CheckSchedule: func(string) error { return nil }})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	a, f := cfg.Accounts[0], cfg.Forward[0]
	if a.Name != "on" || a.Username != "0123" || a.Port != 1995 || a.Leave.Keep || cfg.Schedule != "@every 5m" ||
		cfg.Spool.Memory != 8_000_000 || len(f.To) != 2 {
		t.Errorf("got %+v, %+v, %+v; want the values of\n%s", cfg, a, f, text)
	}
	if got, err := a.Secret.Get(t.Context()); err != nil || got != password {
		t.Errorf("the password: got %q, %v; want %q", got, err, password)
	}
}

// TestCreateOverwritesNothing: it also leaves no other file in the folder, and
// works on file systems without hard links.
func TestCreateOverwritesNothing(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(from, to string) error{
		"links":    os.Link,
		"no links": func(string, string) error { return syscall.EPERM },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "popferry.yaml")
			if err := create(path, []byte("first"), link); err != nil {
				t.Fatal(err)
			}
			if err := create(path, []byte("second"), link); !errors.Is(err, fs.ErrExist) {
				t.Errorf("the second time: got %v, want %v", err, fs.ErrExist)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
				t.Errorf("the file: got %q, %v; want first", got, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the mode: got %v, %v; want 0600", info.Mode(), err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("the folder: got %v, %v; want one file", left, err)
			}
		})
	}
}

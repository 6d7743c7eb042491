package copies

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/retained"
)

// The names of accounts are the user's: none of them may lead out of the folder.
func TestAsideStaysInTheFolder(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for account, want := range map[string]string{
		"isp":                 "20261122-120000-isp",
		"leo@pop.example.net": "20261122-120000-leo@pop.example.net",
		"../../etc":           "20261122-120000-.._.._etc",
		"möwe\x00\n":          "20261122-120000-m_we__",
		"":                    "20261122-120000-",
	} {
		if got, want := Aside("/kept", account, noon), filepath.Join("/kept", "forgotten", want); got != want {
			t.Errorf("%q: %s, want %s", account, got, want)
		}
	}
}

// A copy that cannot be moved holds up none of the others.
func TestMoveGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "1-b.eml"), []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "forgotten", "isp")
	err := Move(dir, to, []ledger.Copy{{File: "1-a.eml"}, {File: "1-b.eml"}})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy that is not there: error %v, want %v", err, fs.ErrNotExist)
	}
	if text, err := os.ReadFile(filepath.Join(to, "1-b.eml")); err != nil || string(text) != "b" {
		t.Errorf("the copy behind it: %q, %v; want it moved as it was", text, err)
	}
}

// The ledger may be somebody else's work: no name in it leads out of the folder.
func TestPresent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1-a.eml", "2-b.eml", "../outside", "other.eml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := Present(dir, []ledger.Copy{{Account: 1, File: "1-a.eml"}, {Account: 1, File: "1-gone.eml"}, {Account: 1, File: "../outside"}, {Account: 1, File: "other.eml"}, {Account: 2, File: "2-b.eml"}}, 1)
	if want := []ledger.Copy{{Account: 1, File: "1-a.eml"}}; !slices.Equal(got, want) {
		t.Errorf("present are %+v, want %+v", got, want)
	}
}

// Nor does one lead out when a copy is read or moved, also not by a link.
func TestNoNameLeadsOut(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir, outside := filepath.Join(top, "kept"), filepath.Join(top, "1-a.eml")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, filepath.Join(dir, "1-b.eml")} {
		if err := os.WriteFile(path, []byte("b"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../1-a.eml", filepath.Join(dir, "1-link.eml")); err != nil {
		t.Skip(err) // Windows allows that to few
	}
	for _, name := range []string{"../1-a.eml", outside, "1-link.eml", ""} {
		f, err := Open(dir, name)
		if e, ok := errors.AsType[*retained.Error](err); !ok || !strings.Contains(e.Error(), name) {
			t.Errorf("%q opens %v, %v; want an error that names it", name, f, err)
		}
	}
	err := Move(dir, filepath.Join(dir, "forgotten", "isp"), []ledger.Copy{{File: "../1-a.eml"}, {File: "1-b.eml"}})
	if _, ok := errors.AsType[*ledger.CopyNameError](err); !ok {
		t.Errorf("moved: %v, want a *ledger.CopyNameError", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("the file outside: %v, want it where it was", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "forgotten", "isp", "1-b.eml")); err != nil {
		t.Errorf("the copy behind it: %v, want it moved", err)
	}
	// The folder for what is forgotten may be a link, too.
	if err := os.RemoveAll(filepath.Join(dir, "forgotten")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "forgotten")); err != nil {
		t.Fatal(err)
	}
	if err := Move(dir, filepath.Join(dir, "forgotten", "isp"), nil); err == nil {
		t.Error("copies are moved out of the folder by a link, want an error")
	}
}

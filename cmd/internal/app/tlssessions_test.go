package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTLSSessionsAreKeptForTheUserAlone: a file that others can read or write, or that
// belongs to another user, is not used.
func TestTLSSessionsAreKeptForTheUserAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "popferry.db.tls")
	must(t, replacePrivate(path, []byte("first")))
	must(t, replacePrivate(path, []byte("second")))
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
	if got, err := readPrivate(path); string(got) != "second" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are left, want 1", len(files))
	}
	for _, mode := range []os.FileMode{0o604, 0o640, 0o602, 0o620} {
		must(t, os.Chmod(path, mode))
		if got, err := readPrivate(path); err == nil {
			t.Errorf("mode %o: %q was read", mode, got)
		}
	}
	must(t, os.Chmod(path, 0o600))
	if os.Geteuid() == 0 {
		must(t, os.Chown(path, 12345, -1))
		if got, err := readPrivate(path); err == nil {
			t.Errorf("%q of another user was read", got)
		}
	}
	for range 2 { // also where there is none
		must(t, replacePrivate(path, nil))
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Errorf("without sessions %d files are left, want none", len(files))
		}
	}
}

// TestNoTLSSessionsBesideASharedLedger: what lies there is neither read nor written.
func TestNoTLSSessionsBesideASharedLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, shared := range []bool{true, false} {
		cfg := &config.Config{State: filepath.Join(dir, "popferry.db"), Local: filepath.Join(dir, "popferry.db")}
		if shared {
			cfg.Shared = &config.SharedState{}
		}
		kept := fmt.Appendf(nil, `{"00":{"at":%q,"ticket":"","state":""}}`, time.Now().UTC().Format(time.RFC3339))
		must(t, os.WriteFile(cfg.Local+".tls", kept, 0o600))
		n := dial.NewNetwork()
		must(t, KeepSessions(cfg, n)())
		got, err := os.ReadFile(cfg.Local + ".tls")
		if !bytes.Equal(got, kept) || err != nil {
			t.Errorf("shared %v: %q, %v", shared, got, err)
		}
	}
}

package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/popferry/popferry/fetcher/ledger"
)

// volume mounts a small file system, or skips the test where it may not.
func volume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("popferry", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestDiskFull: the file system refuses to grow the log. Changes answered with
// nil are there, the failed one is not, and with space again writing works.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "popferry.db")
	s := create(t, path)
	l := lease(t, s)
	n, err := fill(t, l, 0)
	mustBe(t, err, Full)
	t.Log(err)
	if got := count(t, l); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := l.Put(t.Context(), held("after")); err != nil {
		t.Errorf("with space again: error %v, want none", err)
	}
	if n, err = fill(t, l, n); err == nil {
		t.Fatal("10,000 records fit, want the disk to be full a second time")
	}
	_ = errors.Join(l.Release(), s.Close()) // there may be no space to move the log
	again := lease(t, create(t, path))
	if got := count(t, again); got != n+1 {
		t.Errorf("after opening again %d rows, want %d", got, n+1)
	}
}

func TestDiskFullAtOpen(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), filepath.Join(dir, "popferry.db"), Options{Create: true})
	mustBe(t, err, Full)
	t.Log(err)
}

// TestDiskFullInEveryFile: whichever file cannot grow, the error is Full, not IO.
func TestDiskFullInEveryFile(t *testing.T) {
	t.Parallel()
	for free := 4 << 10; free <= 256<<10; free += 12 << 10 {
		dir := volume(t)
		if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20-free), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), filepath.Join(dir, "popferry.db"), Options{Create: true})
		if err == nil {
			_, err = s.Claim(t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
			_ = s.Close() // there may be no space to move the log
		}
		if err != nil {
			mustBe(t, err, Full)
		}
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	dir := volume(t)
	path := filepath.Join(dir, "popferry.db")
	if err := create(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{path, filepath.Join(dir, "new.db"), filepath.Join(dir, "folder", "new.db")} {
		_, err := Open(t.Context(), path, Options{Create: true})
		mustBe(t, err, ReadOnly)
		t.Log(err)
	}
}

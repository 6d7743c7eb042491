package maildir

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOthersMoveMessages: what readers and other processes do to the folders while
// a Box is used is seen.
func TestOthersMoveMessages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(path(from), path(to)); err != nil {
			t.Fatal(err)
		}
	}
	b := New(dir)
	again := func(what, name, want string) {
		t.Helper()
		if got := store(t, b, name, message); got != path(want) {
			t.Errorf("%s: stored as %s, want %s", what, got, path(want))
		}
	}
	again("first", "a", "new/a")
	move("new/a", "cur/a:2,")
	again("seen", "a", "cur/a:2,")
	move("cur/a:2,", "cur/a:2,S")
	again("read", "a", "cur/a:2,S")
	store(t, New(dir), "b", message)
	again("stored by another process", "b", "new/b")
	if err := os.Remove(path("cur/a:2,S")); err != nil {
		t.Fatal(err)
	}
	again("removed", "a", "new/a")
	wantFiles(t, dir, "new/a", message, "new/b", message)
}

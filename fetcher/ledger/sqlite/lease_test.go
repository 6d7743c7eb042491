package sqlite

import (
	"errors"
	"os"
	"testing"
)

// TestLockFileRemoved: with its file gone, a lock keeps nobody out any more.
func TestLockFileRemoved(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := create(t, newPath(t))
			l := lease(t, s)
			if err := harm(l.lock.Path()); err != nil {
				t.Fatal(err)
			}
			if err := l.Put(t.Context(), held("1")); !errors.Is(err, ErrLost) {
				t.Errorf("Put: %v", err)
			}
			next := lease(t, s)
			if err := next.Put(t.Context(), held("1")); err != nil {
				t.Errorf("the next holder: %v", err)
			}
			if err := l.Release(); err != nil {
				t.Error(err)
			}
			if n := count(t, next); n != 1 {
				t.Errorf("%d rows", n)
			}
		})
	}
}

// TestLockFileStays: to remove it would let two processes hold the lease, one
// on the old file and one on the new.
func TestLockFileStays(t *testing.T) {
	t.Parallel()
	l := lease(t, create(t, newPath(t)))
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.lock.Path()); err != nil {
		t.Error(err)
	}
}

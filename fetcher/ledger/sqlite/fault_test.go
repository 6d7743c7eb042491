package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestPageLimit: SQLite itself refuses to grow the file.
func TestPageLimit(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	l := lease(t, s)
	limit := func(pages int) {
		t.Helper()
		if err := s.write(t.Context(), func(c *writeConn) error { return c.script(fmt.Sprintf("PRAGMA max_page_count = %d", pages)) }); err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	n, err := fill(t, l, 0)
	mustBe(t, err, Full)
	limit(1 << 20)
	if got := count(t, l); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
	if err := l.Put(t.Context(), held("after")); err != nil {
		t.Errorf("with space again: error %v, want none", err)
	}
}

// fill puts large records until one fails, and returns how many were written.
func fill(t *testing.T, l *Lease, from int) (int, error) {
	t.Helper()
	for n := from; n < 10_000; n++ {
		r := held(fmt.Sprint(n))
		r.Cause.Text = strings.Repeat("x", 20_000)
		if err := l.Put(t.Context(), r); err != nil {
			if r.ID != 0 {
				t.Errorf("a row that was not written has the ID %d, want 0", r.ID)
			}
			return n, err
		}
	}
	t.Fatal("10,000 records fit, want the disk to be full")
	return 0, nil
}

// TestBusy: another program keeps the database locked.
func TestBusy(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	other := create(t, path)
	s, err := Open(t.Context(), path, Options{Busy: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	l := lease(t, s)
	other.writer.close()
	if err := other.writer.conn.script("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	mustBe(t, l.Put(t.Context(), held("1")), Busy)
	if n := count(t, l); n != 0 { // reading does not wait for the lock
		t.Errorf("%d rows, want 0", n)
	}
	if err := other.writer.conn.script("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := l.Put(t.Context(), held("1")); err != nil {
		t.Errorf("unlocked: error %v, want none", err)
	}
}

// TestMoved: a ledger that is removed, or replaced by a backup, while it is open is
// not written under another's name. With the same file back all goes on, and the
// backup, once it is opened, has nothing of the other's log.
func TestMoved(t *testing.T) {
	t.Parallel()
	for name, backup := range map[string]bool{"removed": false, "replaced by a backup": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			aside, copied := path+".aside", path+".backup"
			old := create(t, path)
			first := lease(t, old)
			if err := errors.Join(first.Put(t.Context(), held("old")), first.Release(), old.Close()); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err := errors.Join(err, os.WriteFile(copied, data, 0o600)); err != nil {
				t.Fatal(err)
			}
			s := create(t, path)
			l := lease(t, s)
			err = errors.Join(l.Put(t.Context(), held("1"), held("2")), os.Rename(path, aside))
			if backup {
				err = errors.Join(err, os.Rename(copied, path))
			}
			if err != nil {
				t.Fatal(err)
			}
			mustBe(t, l.Put(t.Context(), held("3")), Moved)
			mustBe(t, s.Ping(t.Context()), Moved)
			_, err = s.Lease(t.Context(), l.account)
			mustBe(t, err, Moved)
			if !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%v is not %v", err, ledger.ErrUnavailable)
			}

			if backup {
				if err := errors.Join(l.Release(), s.Close()); err != nil {
					t.Fatal(err)
				}
				if info, err := os.Stat(path + "-wal.replaced"); err != nil || info.Size() == 0 {
					t.Errorf("the log of the file before: %v, want it set aside", err)
				}
				if n := count(t, lease(t, create(t, path))); n != 1 {
					t.Errorf("the backup has %d rows, want the one that it had", n)
				}
				return
			}
			if err := os.Rename(aside, path); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Ping(t.Context()), l.Put(t.Context(), held("3"))); err != nil || count(t, l) != 4 {
				t.Errorf("with the same file back: %d rows, error %v; want 4, no error", count(t, l), err)
			}
		})
	}
}

// TestRemovedInUse: what is left of a ledger that was removed while it was in use
// is not taken for the beginning of a new one.
func TestRemovedInUse(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := create(t, path)
	l := lease(t, s)
	if err := errors.Join(l.Put(t.Context(), held("1")), os.Remove(path), l.Release(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{Create: true}); !errors.Is(err, ledger.ErrLogLeft) || !strings.Contains(err.Error(), path+"-wal") {
		t.Errorf("error %v, want %v with the log's path", err, ledger.ErrLogLeft)
	}
}

func TestFolderDenied(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "popferry.db"), filepath.Join(dir, "folder", "popferry.db")} {
		_, err := Open(t.Context(), path, Options{Create: true})
		mustBe(t, err, Denied)
	}
}

func TestPathIsNotFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Open(t.Context(), dir, Options{Create: true}); err == nil {
		t.Error("a folder was opened, want an error")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), filepath.Join(file, "popferry.db"), Options{Create: true})
	mustBe(t, err, Denied)
}

// TestErrorText: every kind says what happened, and every kind except Other says
// what to do.
func TestErrorText(t *testing.T) {
	t.Parallel()
	for k := Other; k <= IO; k++ {
		e := &Error{Doing: "open the ledger", Path: "/state/popferry.db", Kind: k, Err: os.ErrInvalid}
		if !strings.HasPrefix(e.Error(), "open the ledger /state/popferry.db: ") || !strings.Contains(e.Error(), os.ErrInvalid.Error()) {
			t.Errorf("kind %d: %v, want what was tried, the path and the cause", k, e)
		}
		if !strings.HasSuffix(e.Error(), ": "+k.Hint()) && k != Other {
			t.Errorf("kind %d: %v, want its hint at the end: %s", k, e, k.Hint())
		}
		if (k.Hint() == "") != (k == Other) || k != Other && k.String() == Other.String() {
			t.Errorf("kind %d is %q with the hint %q, want words of its own and a hint, except for Other", k, k, k.Hint())
		}
	}
}

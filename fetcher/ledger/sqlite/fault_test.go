package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

package sqlite

import (
	"context"
	"errors"
	"testing"
)

var errOwn = errors.New("own failure")

// note is a change that leaves a row.
func note(name string) change {
	return func(c *writeConn) error {
		_, err := c.exec("INSERT INTO destinations VALUES (?, 0, NULL, '', '', NULL)", name)
		return err
	}
}

// noted returns the names of the changes that left a row, sorted.
func noted(t *testing.T, s *Store) (all string) {
	t.Helper()
	if err := s.read.QueryRow("SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM destinations ORDER BY name)").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTransaction: the result of a group in which one change fails.
func TestTransaction(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bad  change
		all  bool   // the other changes fail with it
		left string // the rows of the group that stay
	}{
		"one fails after a write": {
			bad: func(c *writeConn) error { return errors.Join(note("bad")(c), errOwn) }, left: "a z",
		},
		"one breaks a constraint": {
			bad: note("a"), left: "a z",
		},
		"SQLite rolls all back by itself": {
			bad: func(c *writeConn) error { return errors.Join(c.script("ROLLBACK"), errOwn) }, all: true,
		},
		"the commit fails": {
			bad: func(c *writeConn) error {
				return c.script("PRAGMA defer_foreign_keys = ON; INSERT INTO days VALUES ('2026-01-01', 99, 'held', 1)")
			}, all: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := create(t, newPath(t))
			s.writer.close() // the connection is the test's now
			results, err := s.writer.conn.transaction(note("a"), test.bad, note("z"))
			switch {
			case (err != nil) != test.all:
				t.Errorf("error for all: %v, want one: %v", err, test.all)
			case err == nil && (results[0] != nil || results[1] == nil || results[2] != nil):
				t.Errorf("results: %v, want only the second to fail", results)
			}
			if got := noted(t, s); got != test.left {
				t.Errorf("%q is left, want %q", got, test.left)
			}
			if results, err := s.writer.conn.transaction(note("later")); err != nil || results[0] != nil {
				t.Errorf("the next transaction: results %v, error %v; want none", results, err)
			}
		})
	}
}

// TestWriteContext: a caller can stop waiting only until its change is taken.
func TestWriteContext(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	ctx, cancel := context.WithCancel(t.Context())
	running, finish := make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() {
		first <- s.write(ctx, func(c *writeConn) error {
			close(running)
			<-finish
			return note("taken")(c)
		})
	}()
	<-running
	second := make(chan error)
	go func() { second <- s.write(ctx, note("waiting")) }()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the change that waited: error %v, want %v", err, context.Canceled)
	}
	close(finish)
	if err := <-first; err != nil {
		t.Errorf("the change that was taken: error %v, want none", err)
	}
	if got, want := noted(t, s), "taken"; got != want {
		t.Errorf("written: %q, want %q", got, want)
	}
}

// TestCloseWaits: Close waits for the current change, and refuses later ones.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := create(t, path)
	running, finish := make(chan struct{}), make(chan struct{})
	first, closed := make(chan error), make(chan error)
	go func() {
		first <- s.write(t.Context(), func(c *writeConn) error {
			close(running)
			<-finish
			return note("current")(c)
		})
	}()
	<-running
	go func() { closed <- s.Close() }()
	<-s.writer.stop
	if err := s.write(t.Context(), note("later")); !errors.Is(err, ErrClosed) {
		t.Errorf("a change after Close: error %v, want %v", err, ErrClosed)
	}
	close(finish)
	if err := errors.Join(<-first, <-closed, s.Close()); err != nil {
		t.Fatal(err)
	}
	if got, want := noted(t, create(t, path)), "current"; got != want {
		t.Errorf("written: %q, want %q", got, want)
	}
}

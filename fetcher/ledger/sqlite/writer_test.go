package sqlite

import (
	"context"
	"errors"
	"testing"
)

var errOwn = errors.New("own failure")

// note is a change that leaves a row behind.
func note(name string) change {
	return func(c *writeConn) error {
		_, err := c.exec("INSERT INTO destinations VALUES (?, 0, NULL, '', '', NULL)", name)
		return err
	}
}

// noted tells which changes left a row, in order.
func noted(t *testing.T, s *Store) (all string) {
	t.Helper()
	if err := s.read.QueryRow("SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM destinations ORDER BY name)").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTransaction: what becomes of a group in which one change fails.
func TestTransaction(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bad  change
		all  bool   // whether it takes the others with it
		left string // what is left of the group
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
			s.writer.close() // the session is the test's now
			own, all := s.writer.conn.transaction(note("a"), test.bad, note("z"))
			switch {
			case (all != nil) != test.all:
				t.Errorf("error for all: %v", all)
			case all == nil && (own[0] != nil || own[1] == nil || own[2] != nil):
				t.Errorf("answers: %v", own)
			}
			if got := noted(t, s); got != test.left {
				t.Errorf("%q is left, want %q", got, test.left)
			}
			if own, all := s.writer.conn.transaction(note("later")); all != nil || own[0] != nil {
				t.Errorf("the next transaction: %v, %v", own, all)
			}
		})
	}
}

// TestContext: a caller may stop waiting until its change is taken, and then
// no more.
func TestContext(t *testing.T) {
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
		t.Errorf("the one that waited: %v", err)
	}
	close(finish)
	if err := <-first; err != nil {
		t.Errorf("the one that was taken: %v", err)
	}
	if got := noted(t, s); got != "taken" {
		t.Errorf("written: %q", got)
	}
}

// TestClose: it waits for the change at hand, and refuses what comes later.
func TestClose(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := create(t, path)
	running, finish := make(chan struct{}), make(chan struct{})
	first, closed := make(chan error), make(chan error)
	go func() {
		first <- s.write(t.Context(), func(c *writeConn) error {
			close(running)
			<-finish
			return note("at hand")(c)
		})
	}()
	<-running
	go func() { closed <- s.Close() }()
	<-s.writer.stop
	if err := s.write(t.Context(), note("later")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	close(finish)
	if err := errors.Join(<-first, <-closed, s.Close()); err != nil {
		t.Fatal(err)
	}
	if got := noted(t, create(t, path)); got != "at hand" {
		t.Errorf("written: %q", got)
	}
}

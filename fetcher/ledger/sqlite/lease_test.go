package sqlite

import (
	"errors"
	"os"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestLockFileReplaced: without its file, a lock keeps no other process out.
func TestLockFileReplaced(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	l := lease(t, s)
	if err := errors.Join(os.Remove(l.lock.Path()), os.WriteFile(l.lock.Path(), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := l.Put(t.Context(), held("1")); !errors.Is(err, ErrLost) {
		t.Errorf("Put without the lock file: error %v, want %v", err, ErrLost)
	}
	next := lease(t, s)
	if err := next.Put(t.Context(), held("1")); err != nil {
		t.Errorf("Put by the next holder: error %v, want none", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	if n := count(t, next); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// TestLockFileRemoved: a lock file that is removed is made again by its holder, or
// by the next one if that comes first.
func TestLockFileRemoved(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(s *Store, l *Lease) error{
		"the file":   func(_ *Store, l *Lease) error { return os.Remove(l.lock.Path()) },
		"the folder": func(s *Store, _ *Lease) error { return os.RemoveAll(locksDir(s.path)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := create(t, newPath(t))
			l := lease(t, s)
			if err := errors.Join(remove(s, l), l.Put(t.Context(), held("1"))); err != nil {
				t.Fatalf("Put by the holder: error %v, want none", err)
			}
			if _, err := s.Lease(t.Context(), l.account); !errors.Is(err, ledger.ErrLeased) {
				t.Errorf("a second lease: error %v, want %v", err, ledger.ErrLeased)
			}
			if err := errors.Join(l.Release(), remove(s, l)); err != nil {
				t.Fatal(err)
			}
			l = lease(t, s)
			if err := remove(s, l); err != nil {
				t.Fatal(err)
			}
			next := lease(t, s)
			if err := l.Put(t.Context(), held("2")); !errors.Is(err, ErrLost) {
				t.Errorf("Put after another has taken the lease: error %v, want %v", err, ErrLost)
			}
			if err := next.Put(t.Context(), held("2")); err != nil {
				t.Errorf("Put by the next holder: error %v, want none", err)
			}
		})
	}
}

// TestLockFileStays: if Release removed it, two processes could hold the lease,
// one on the old file and one on a new one.
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

// TestReleaseWaits: Release waits for the current change, because the next holder
// looks for messages in state Sending only once.
func TestReleaseWaits(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	l := lease(t, s)
	running, finish := make(chan struct{}), make(chan struct{})
	written, released := make(chan error, 1), make(chan error, 1)
	go func() {
		written <- l.write(t.Context(), func(c *writeConn) error {
			close(running)
			<-finish
			_, err := l.put(c, &ledger.Record{Known: ledger.Known{UID: "1", State: ledger.Sending}})
			return err
		})
	}()
	<-running
	go func() { released <- l.Release() }()
	for range 100 { // it may take a while until Release begins
		if _, err := s.Lease(t.Context(), l.account); !errors.Is(err, ledger.ErrLeased) {
			t.Errorf("a lease during a change: error %v, want %v", err, ledger.ErrLeased)
			break
		}
	}
	close(finish)
	if err := errors.Join(<-written, <-released); err != nil {
		t.Fatal(err)
	}
	known, err := lease(t, s).Known(t.Context())
	if err != nil || known.Len() != 1 || known.At(0).State != ledger.Unknown {
		t.Errorf("the next holder finds %v, error %v; want one unknown message", known, err)
	}
}

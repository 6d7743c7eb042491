package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Lease is the right to poll one account and to change its rows. After
// Release every change fails with ErrReleased; after its lock file was
// replaced, with ErrLost. Reading still works then.
type Lease struct {
	store    *Store
	account  int64
	lock     *flock.Flock
	row      atomic.Pointer[ledger.Account] // nil: it may have changed since it was read
	verified int                            // the transaction that last verified the lock; the writer's own

	changing sync.RWMutex // held for reading during a change
	released bool
}

// Lease takes the lease of an account. It returns ledger.ErrLeased at once if
// this or another process holds it, and ledger.ErrNotFound if there is no such
// account. Messages found in state Sending were being sent when a process
// died: see ledger.Record.Interrupt.
func (s *Store) Lease(ctx context.Context, account int64) (ledger.Lease, error) {
	l, err := s.lease(ctx, account)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (s *Store) lease(ctx context.Context, account int64) (*Lease, error) {
	// Before anything is read: what follows from it must not be another file's.
	if err := s.files.verify(s.path); err != nil {
		return nil, explain("read the ledger", s.path, err)
	}
	if err := makeLocksDir(s.path); err != nil {
		return nil, explain("make the folder", locksDir(s.path), err)
	}
	l := &Lease{store: s, account: account, lock: newLock(s.path, strconv.FormatInt(account, 10))}
	switch ok, err := l.lock.TryLock(); {
	case err != nil:
		return nil, explain("lock", l.lock.Path(), err)
	case !ok:
		return nil, ledger.ErrLeased
	}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

// begin reads the account and ends what its last holder left in state Sending.
// All that earlier holders wrote is there: a live one waited for it before it
// released the lock, and a dead one writes no more. So most leases begin
// without a transaction.
func (l *Lease) begin(ctx context.Context) error {
	if err := l.store.notMoved(ctx); err != nil {
		return err
	}
	row, err := l.store.account(ctx, l.account)
	if err != nil {
		return err
	}
	l.row.Store(&row)
	var sending []*ledger.Record
	err = records(ctx, preparedQueries{l.store.read}, func(r *ledger.Record) error { sending = append(sending, r); return nil },
		selectRecords+" WHERE m.account = ? AND m.state = 'sending' ORDER BY m.id, r.position", l.account)
	if err != nil || len(sending) == 0 {
		return explain("read the ledger", l.store.path, err)
	}
	for _, r := range sending {
		r.Interrupt(false)
	}
	return l.Put(ctx, sending...)
}

// Release gives the lease back once the current changes are on disk. A second
// call does nothing.
func (l *Lease) Release() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	if l.released {
		return nil
	}
	l.released = true
	l.row.Store(nil)
	// The file stays: another process may have it open and wait for its lock.
	// If a third made a new file, both would hold the lease.
	return explain("unlock", l.lock.Path(), l.lock.Unlock())
}

// Alive returns nil: the lock lives as long as the process.
func (l *Lease) Alive() error { return nil }

// Lost returns nil: see Lease.
func (l *Lease) Lost() <-chan struct{} { return nil }

// write runs a change of the store under the lease.
func (l *Lease) write(ctx context.Context, do change) error {
	return l.change(ctx, l.store.write, do)
}

// change runs do by way of the store's write or writeAsync, if the lease still
// holds once the transaction has begun.
func (l *Lease) change(ctx context.Context, write func(context.Context, change) error, do change) error {
	l.changing.RLock()
	defer l.changing.RUnlock()
	if l.released {
		return ErrReleased
	}
	return write(ctx, func(c *writeConn) error {
		if err := l.verify(c); err != nil {
			return err
		}
		return do(c)
	})
}

// verify returns ErrLost unless the file that others would lock is the one
// that this lease has locked. Once in a transaction is enough: a process that
// has taken the lease meanwhile can't write before the transaction ends.
func (l *Lease) verify(c *writeConn) error {
	if l.verified == c.number {
		return nil
	}
	ours, err := l.lock.Stat()
	if err != nil {
		return err
	}
	switch theirs, err := os.Stat(l.lock.Path()); {
	case errors.Is(err, fs.ErrNotExist):
		if err := l.lockAgain(); err != nil {
			return err
		}
	case err != nil || !os.SameFile(ours, theirs):
		return fmt.Errorf("%w: %s", ErrLost, l.lock.Path())
	}
	l.verified = c.number
	return nil
}

// lockAgain makes the lock file once more after somebody has removed it. Lock files
// stay, so that nobody has held the lease since, unless somebody has this file now.
func (l *Lease) lockAgain() error {
	if err := makeLocksDir(l.store.path); err != nil {
		return err
	}
	fresh := freshLock(l.store.path, strconv.FormatInt(l.account, 10))
	switch ok, err := fresh.TryLock(); {
	case err != nil && !errors.Is(err, fs.ErrExist):
		return err
	case !ok:
		return fmt.Errorf("%w: %s", ErrLost, fresh.Path())
	}
	_ = l.lock.Unlock() // the file without a name
	l.lock = fresh
	return nil
}

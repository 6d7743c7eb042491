package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Lease is the right to poll one account and to change its rows. After
// Release every change fails with ErrReleased; where the lock file was
// removed, with ErrLost. Reading goes on.
type Lease struct {
	store   *Store
	account int64
	lock    *flock.Flock
	row     atomic.Pointer[ledger.Account] // nil: it may have changed since it was read
	checked int                            // the transaction that has seen that the lock holds; the writer's own

	changing sync.RWMutex // for reading: a change is under way
	released bool
}

// Lease takes the lease of an account, or returns ledger.ErrLeased at once if
// another process, or this one, holds it; ledger.ErrNotFound if there is no
// such account. Messages that are found in state Sending were being sent when
// a process died: they are Unknown from here on.
func (s *Store) Lease(ctx context.Context, account int64) (*Lease, error) {
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

// begin reads the account. All that holders before have written is there: one
// that lives has waited for it before it gave the lock back, and one that died
// writes no more. So most leases begin without a transaction.
func (l *Lease) begin(ctx context.Context) error {
	row, err := l.store.account(ctx, l.account)
	if err != nil {
		return err
	}
	l.row.Store(&row)
	var sending bool
	err = l.store.read.scan(ctx, "SELECT EXISTS (SELECT 1 FROM messages WHERE account = ? AND state = 'sending')", []any{l.account}, &sending)
	if err != nil || !sending {
		return explain("read the ledger", l.store.path, err)
	}
	return l.write(ctx, l.interrupt)
}

// Release gives the lease back when what is being written is on disk. A second
// call does nothing.
func (l *Lease) Release() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	if l.released {
		return nil
	}
	l.released = true
	l.row.Store(nil)
	// The file stays: another process may have it open, and wait on a lock
	// that nobody else would see any more.
	return explain("unlock", l.lock.Path(), l.lock.Unlock())
}

// Account returns what is remembered of the account.
func (l *Lease) Account(ctx context.Context) (ledger.Account, error) {
	if row := l.row.Load(); row != nil {
		return *row, nil
	}
	return l.store.account(ctx, l.account)
}

// PutAccount writes what is remembered of the account, all but its identity,
// which only Claim and Rename change. It does not wait for the disk if only
// such things change as may be forgotten (ledger.Account.Durable): most polls
// bring nothing new, and wake no disk.
func (l *Lease) PutAccount(ctx context.Context, a ledger.Account) error {
	if a.ID != l.account {
		return fmt.Errorf("account %d written under the lease of %d", a.ID, l.account)
	}
	before, err := l.Account(ctx)
	if err != nil {
		return err
	}
	write := l.write
	if a.Identity = before.Identity; a.Durable() == before.Durable() {
		write = l.jot
	}
	defer l.row.Store(nil)
	return write(ctx, func(c *session) error { return putAccount(c, a) })
}

// account reads one account, or returns ledger.ErrNotFound.
func (s *Store) account(ctx context.Context, id int64) (ledger.Account, error) {
	accounts, err := queryAccounts(ctx, keptQueries{s.read}, selectAccounts+" WHERE id = ?", id)
	switch {
	case err != nil:
		return ledger.Account{}, explain("read the ledger", s.path, err)
	case len(accounts) == 0:
		return ledger.Account{}, fmt.Errorf("account %d: %w", id, ledger.ErrNotFound)
	}
	return accounts[0], nil
}

// write has a change run if the lease still holds when its turn comes.
func (l *Lease) write(ctx context.Context, do change) error {
	return l.change(ctx, l.store.write, do)
}

// jot is a write that does not wait for the disk.
func (l *Lease) jot(ctx context.Context, do change) error {
	return l.change(ctx, l.store.jot, do)
}

// change is a write by way of write or jot of the store. By the time that the
// lock is looked at the transaction has begun.
func (l *Lease) change(ctx context.Context, write func(context.Context, change) error, do change) error {
	l.changing.RLock()
	defer l.changing.RUnlock()
	if l.released {
		return ErrReleased
	}
	return write(ctx, func(c *session) error {
		if err := l.held(c); err != nil {
			return err
		}
		return do(c)
	})
}

// held tells whether the lease still holds: whether the file that others
// would lock is the one that is locked here. Once in a transaction is enough:
// whoever has taken the lease since can't write before its end.
func (l *Lease) held(c *session) error {
	if l.checked == c.number {
		return nil
	}
	ours, err := l.lock.Stat()
	if err != nil {
		return err
	}
	if theirs, err := os.Stat(l.lock.Path()); err != nil || !os.SameFile(ours, theirs) {
		return fmt.Errorf("%w: %s", ErrLost, l.lock.Path())
	}
	l.checked = c.number
	return nil
}

// interrupt makes Unknown what was being sent when a process died. Recipients
// that were settled before stay so.
func (l *Lease) interrupt(c *session) error {
	const sending = "account = ? AND state = 'sending'"
	const code, text = "interrupted", "popferry ended before it had the destination's answer on disk"
	if _, err := c.exec(`UPDATE recipients SET state = 'unknown', code = 0, text = ?
		WHERE message IN (SELECT id FROM messages WHERE `+sending+`) AND state NOT IN ('forwarded', 'held')`, text, l.account); err != nil {
		return err
	}
	n, err := c.affect("UPDATE messages SET state = 'unknown', cause_code = ?, cause_text = ? WHERE "+sending, code, text, l.account)
	if err != nil || n == 0 {
		return err
	}
	l.count(c, ledger.Unknown, n)
	return nil
}

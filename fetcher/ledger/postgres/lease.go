package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

// Lease is the right to poll one account and to change its rows. It ends with the
// session that has its lock: then every change fails with ledger.ErrLost, but for
// Settle. Reading still works, and also after Release.
type Lease struct {
	store   *Store
	session *session
	account int64
	row     atomic.Pointer[ledger.Account] // nil: it may have changed since it was read
	noted   atomic.Bool                    // who holds it

	copies     staged // by ledger.Known.CopyFile
	quarantine staged // by ledger.Record.Trace

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
	on, err := s.take(ctx, s.accountKey(account))
	if err != nil {
		return nil, err
	}
	s.countLeases(1, 0)
	l := &Lease{store: s, session: on, account: account}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

// begin reads the account and ends what its last holder left in state Sending. All
// that earlier holders wrote is there: PostgreSQL gives a lock away only once the
// transactions of its session have ended.
func (l *Lease) begin(ctx context.Context) error {
	if err := l.store.notMoved(ctx); err != nil {
		return err
	}
	row, err := l.store.account(ctx, l.account)
	if err != nil {
		return err
	}
	err = l.interrupt(ctx)
	if errors.Is(err, ledger.ErrNotFound) { // its sender has noted the outcome meanwhile (Settle)
		err = l.interrupt(ctx)
	}
	if err != nil {
		return err
	}
	l.row.Store(&row)
	return nil
}

// interrupt ends what is in state Sending: see ledger.Record.Interrupt.
func (l *Lease) interrupt(ctx context.Context) error {
	sending, err := l.records(ctx, "m.state = 'sending'")
	if err != nil || len(sending) == 0 {
		return err
	}
	lost, err := l.outlived(ctx)
	if err != nil {
		return err
	}
	for _, r := range sending {
		r.Interrupt(lost)
	}
	return l.Put(ctx, sending...)
}

// outlived reports whether the last holder that sent something is alive, and has lost
// the session that had its lease.
func (l *Lease) outlived(ctx context.Context) (is bool, err error) {
	err = l.store.scan(ctx, `SELECT EXISTS (SELECT FROM holders h LEFT JOIN replicas r ON r.id = h.process
		WHERE h.account = $1 AND (r.session > h.session OR h.process = $2 AND $3 > h.session))`, []any{l.account, l.store.process, l.session.number}, &is)
	return is, err
}

// noteHolder notes who is about to send something, once.
func (l *Lease) noteHolder(ctx context.Context) error {
	if l.noted.Load() {
		return nil
	}
	err := l.write(ctx, &change{async: true, alone: true, queue: func(b *pgx.Batch, _ *counts) {
		b.Queue("INSERT INTO holders (account, process, session) VALUES ($1, $2, $3) ON CONFLICT (account) DO UPDATE SET (process, session) = (excluded.process, excluded.session)",
			l.account, l.store.process, l.session.number)
	}})
	if err == nil {
		l.noted.Store(true)
	}
	return err
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
	lost := 0
	select {
	case <-l.session.over:
		lost = 1
	default:
	}
	l.store.countLeases(-1, lost)
	return l.store.giveBack(l.store.accountKey(l.account), l.session)
}

// Alive returns ledger.ErrLost if the lease was lost, or may have been: the last
// sign of the database is older than 20 s, and it gives the locks of a session that
// is silent for 30 s to others.
func (l *Lease) Alive() error {
	if l.session.alive() {
		return nil
	}
	return l.store.db.OfKind("keep the lease", server.Lost, fmt.Errorf("the last answer is older than %v, or the connection was closed", aliveFor))
}

// Lost is closed when the lease is lost for sure.
func (l *Lease) Lost() <-chan struct{} { return l.session.over }

// Timelines name the histories in which the ledger was made and that its database writes
// now; "": it does not tell. In another one than before, the last that was committed
// before may be missing.
func (l *Lease) Timelines() (made, now string) { return l.store.past.timelines() }

// write runs a change of the store under the lease.
func (l *Lease) write(ctx context.Context, c *change) error {
	l.changing.RLock()
	defer l.changing.RUnlock()
	if l.released {
		return ErrReleased
	}
	return l.store.writer.do(ctx, &request{change: c, under: l})
}

package postgres

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

// writer runs all changes of this process, in groups: one transaction and one
// commit for all that wait. It keeps the session that has the leases alive, and
// opens a new one when that is lost.
type writer struct {
	store    *Store
	requests chan *request // unbuffered: a request is taken when it is received
	stop     chan struct{} // closed to end it
	stopOnce sync.Once
	done     chan struct{} // closed when it has ended

	current  atomic.Pointer[session] // nil: lost
	offset   atomic.Int64            // of the last session: its clock less ours, in nanoseconds
	failed   error                   // of the last attempt to open a session
	failedAt time.Time
}

// request is what one caller wants: a change, a lock or an unlock, or only an
// answer.
type request struct {
	change *change
	lock   *lock
	under  *Lease     // the lease that must hold; nil: none
	answer chan error // holds one, so that answering never waits
}

// reopenAfter is how long the writer does not try again to open a session.
const reopenAfter = time.Second

// openLimit bounds the opening of a new session.
const openLimit = 40 * time.Second

// startWriter starts the goroutine that owns the session until close.
func startWriter(s *Store, first *session) *writer {
	w := &writer{store: s, requests: make(chan *request), stop: make(chan struct{}), done: make(chan struct{})}
	w.current.Store(first)
	go w.run()
	return w
}

// do has a request served in the writer's goroutine. It returns when a change is on
// disk or, if it is async, when it is in the database. After an error nothing of it
// is there, except where the connection was lost at the commit: then that is not
// known.
//
// The end of ctx stops the waiting only until the writer has taken the request.
func (w *writer) do(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err // select would choose at random
	}
	r.answer = make(chan error, 1)
	select {
	case w.requests <- r:
		if r.change != nil || r.lock != nil {
			return <-r.answer
		}
		select { // nothing depends on a ping
		case err := <-r.answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return ErrClosed
	}
}

// close ends the writer after the current group and waits for it. Its locks end
// with its session.
func (w *writer) close() {
	w.stopOnce.Do(func() { close(w.stop) })
	<-w.done
}

func (w *writer) run() {
	defer close(w.done)
	defer w.drop()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-w.requests:
			w.serve(w.gather(r))
		case <-tick.C:
			if s, err := w.session(); err == nil {
				_ = s.ping()
				w.look()
			}
		case <-w.stop:
			return
		}
	}
}

// gather takes, besides the first, every request that waits. Each caller
// waits for its answer before it asks again, so this ends.
func (w *writer) gather(first *request) []*request {
	group := []*request{first}
	for {
		select {
		case r := <-w.requests:
			group = append(group, r)
		default:
			return group
		}
	}
}

// session is the one that there is, or a new one.
func (w *writer) session() (*session, error) {
	if s := w.current.Load(); s != nil {
		return s, nil
	}
	if w.failed != nil && time.Since(w.failedAt) < reopenAfter {
		return nil, w.failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	defer cancel()
	s, err := w.store.reopen(ctx)
	w.failed, w.failedAt = err, time.Now()
	if err != nil {
		return nil, err
	}
	w.current.Store(s)
	return s, nil
}

// look drops the session if it was lost.
func (w *writer) look() {
	if s := w.current.Load(); s != nil && s.lost() {
		w.drop()
	}
}

func (w *writer) drop() {
	if s := w.current.Swap(nil); s != nil {
		w.offset.Store(int64(s.ahead()))
		s.end()
	}
}

// serve answers a group: locks first, and then the changes, in one transaction.
func (w *writer) serve(group []*request) {
	s, err := w.session()
	if err != nil {
		for _, r := range group {
			r.answer <- err
		}
		return
	}
	var locks, changes []*request
	for _, r := range group {
		switch {
		case r.under != nil && r.under.session != s:
			r.answer <- w.store.db.OfKind("write the ledger", server.Lost, server.ErrGone)
		case r.lock != nil:
			locks = append(locks, r)
		case r.change != nil:
			changes = append(changes, r)
		default:
			r.answer <- w.store.db.Explain("ask the ledger's database", s.ping())
		}
	}
	if len(locks) > 0 && !s.lost() {
		w.serveLocks(s, locks)
	} else {
		answer(locks, server.ErrGone)
	}
	if len(changes) > 0 {
		w.commit(s, changes)
	}
	w.look()
}

func answer(group []*request, err error) {
	for _, r := range group {
		r.answer <- err
	}
}

// commit runs a group of changes and answers its requests after the commit.
func (w *writer) commit(s *session, group []*request) {
	changes := make([]*change, len(group))
	for i, r := range group {
		changes[i] = r.change
	}
	results, err := transact(s, changes)
	for i, r := range group {
		if err == nil {
			r.answer <- w.store.db.Explain("write the ledger", results[i])
			continue
		}
		r.answer <- w.store.db.Explain("write the ledger", err)
	}
	if server.KindOf(err) == server.ReadOnly || server.KindOf(errors.Join(results...)) == server.ReadOnly {
		w.drop() // another server is the primary now
	}
}

// write has the writer run a change, and returns when it is on disk.
func (s *Store) write(ctx context.Context, c *change) error {
	return s.writer.do(ctx, &request{change: c})
}

// queued is a change that one round trip can do.
func queued(queue func(*pgx.Batch, *counts)) *change { return &change{queue: queue} }

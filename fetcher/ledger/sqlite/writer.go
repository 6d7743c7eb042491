package sqlite

import (
	"context"
	"sync"
)

// writer runs all changes of this process, in groups: one transaction, one
// commit and so one fsync for all that wait.
type writer struct {
	session  *session
	requests chan *request // not buffered: what was received is taken, what was not is not
	stop     chan struct{} // closed to end it
	stopOnce sync.Once
	done     chan struct{} // closed when it has ended
}

// request is one caller's change and the place for its answer.
type request struct {
	change change
	jotted bool       // it need not be on disk when it is answered
	answer chan error // holds one, so that answering never waits
}

// startWriter starts the goroutine that owns the session until close.
func startWriter(c *session) *writer {
	w := &writer{
		session:  c,
		requests: make(chan *request),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go w.run()
	return w
}

// do has the change run and returns when it is on disk, or, if it is jotted, in
// the database, which outlives this process but not the power; after an error
// nothing of it is. The caller may stop waiting through ctx only until the
// writer has taken the change. From then on do waits for the outcome,
// whatever ctx says, so that nobody takes for failed what in fact happened.
// The change runs in another goroutine, and never after do returned.
func (w *writer) do(ctx context.Context, change change, jotted bool) error {
	if err := ctx.Err(); err != nil {
		return err // select would choose by chance
	}
	r := &request{change: change, jotted: jotted, answer: make(chan error, 1)}
	select {
	case w.requests <- r:
		return <-r.answer
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return ErrClosed
	}
}

// close ends the writer after the group at hand and waits for it.
func (w *writer) close() {
	w.stopOnce.Do(func() { close(w.stop) })
	<-w.done
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case r := <-w.requests:
			w.commit(w.gather(r))
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

// commit runs a group and answers each of it, after the commit and not before.
func (w *writer) commit(group []*request) {
	changes := make([]change, len(group))
	jotted := true
	for i, r := range group {
		changes[i] = r.change
		jotted = jotted && r.jotted
	}
	own, all := make([]error, len(group)), w.session.await(!jotted)
	if all == nil {
		own, all = w.session.transaction(changes...)
	}
	for i, r := range group {
		if all != nil {
			r.answer <- all
		} else {
			r.answer <- own[i]
		}
	}
}

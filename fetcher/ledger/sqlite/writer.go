package sqlite

import (
	"context"
	"sync"
)

// writer runs all changes of this process, in groups: one transaction, one
// commit and so one fsync for all that wait.
type writer struct {
	conn     *writeConn
	requests chan *request // unbuffered: a request is taken when it is received
	stop     chan struct{} // closed to end it
	stopOnce sync.Once
	done     chan struct{} // closed when it has ended
}

// request is one caller's change.
type request struct {
	change change
	async  bool       // it may be answered before it is on disk
	answer chan error // holds one, so that answering never waits
}

// startWriter starts the goroutine that owns the connection until close.
func startWriter(c *writeConn) *writer {
	w := &writer{
		conn:     c,
		requests: make(chan *request),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go w.run()
	return w
}

// do has the request's change run in the writer's goroutine. It returns when
// the change is on disk or, if it is async, in the database, where it outlives
// this process but not a power failure. After an error nothing of it is there.
//
// The end of ctx stops the waiting only until the writer has taken the change.
// From then on do waits for the result: a change that happened must not be
// taken for one that failed. A change never runs after do has returned.
func (w *writer) do(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err // select would choose at random
	}
	r.answer = make(chan error, 1)
	select {
	case w.requests <- r:
		return <-r.answer
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return ErrClosed
	}
}

// close ends the writer after the current group and waits for it.
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

// commit runs a group and answers its requests after the commit.
func (w *writer) commit(group []*request) {
	changes := make([]change, len(group))
	durable := false
	for i, r := range group {
		changes[i] = r.change
		durable = durable || !r.async
	}
	results := make([]error, len(group))
	err := w.conn.setSync(durable)
	if err == nil {
		results, err = w.conn.transaction(changes...)
	}
	for i, r := range group {
		if err != nil {
			r.answer <- err
		} else {
			r.answer <- results[i]
		}
	}
}

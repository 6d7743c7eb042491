package queue

import (
	"context"
	"errors"
	"slices"
)

// ErrClosed is for calls that wait at Close, or come later.
var ErrClosed = errors.New("the pool is closed")

// errDone is for a call that waits after Done.
var errDone = errors.New("the delivery is done already")

// Call is one message on its way through the queue.
type Call[S Session[L], L any] struct {
	// First is a session that was open when the call was admitted, to find out what
	// the server offers.
	First S
	// Session is the one that the call was assigned, and Slot its place there.
	Session S
	Slot    L

	// Guarded by the queue's lock:

	number       int
	admitted     bool          // counts as in flight
	done         bool          // not any more, or never will
	wantsSession bool          // waits in ready for a session
	asks         bool          // it wants one only to ask something, and keeps its place
	granted      chan struct{} // closed when what it waits for is there, or never will be
	member       *member[S]    // the session's
	fail         Failure       // why no session can be had
	err          error         // another reason to end the wait
}

// await waits until the call is granted what it waits for, or refused it. Where ctx
// is done as well, it is not the server's fault that there is no session.
func (q *Queue[S, L]) await(ctx context.Context, c *Call[S, L]) (Failure, error) {
	select {
	case <-c.granted:
	case <-ctx.Done():
		q.giveUp(ctx, c)
	}
	if c.fail != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return c.fail, c.err
}

// giveUp ends the call's wait because ctx is done, unless it is over just now.
func (q *Queue[S, L]) giveUp(ctx context.Context, c *Call[S, L]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-c.granted:
		return
	default:
	}
	c.refuse(nil, context.Cause(ctx))
	q.remove(c)
	q.schedule()
}

// refuse ends the call's wait. The caller takes it out of the lists.
func (c *Call[S, L]) refuse(fail Failure, err error) {
	c.fail, c.err, c.wantsSession, c.done = fail, err, false, !c.admitted
	close(c.granted)
}

// refuseAll refuses everyone who waits.
func (q *Queue[S, L]) refuseAll(fail Failure, err error) {
	for _, c := range q.waiting {
		c.refuse(fail, err)
	}
	q.waiting = nil
	q.ready = slices.DeleteFunc(q.ready, func(c *Call[S, L]) bool {
		if c.wantsSession {
			c.refuse(fail, err)
			return true
		}
		return false
	})
}

// addReady puts a call where its number belongs, unless it is there already.
func (q *Queue[S, L]) addReady(c *Call[S, L]) {
	at, there := slices.BinarySearchFunc(q.ready, c.number, func(o *Call[S, L], n int) int { return o.number - n })
	if !there {
		q.ready = slices.Insert(q.ready, at, c)
	}
}

// remove takes a call out of all lists. If nobody waits then, no session has to be
// opened any more.
func (q *Queue[S, L]) remove(c *Call[S, L]) {
	is := func(o *Call[S, L]) bool { return o == c }
	q.waiting, q.ready = slices.DeleteFunc(q.waiting, is), slices.DeleteFunc(q.ready, is)
	if q.pending() == 0 {
		q.stopOpening()
	}
}

// pending is how many calls are in a list.
func (q *Queue[S, L]) pending() int { return len(q.waiting) + len(q.ready) }

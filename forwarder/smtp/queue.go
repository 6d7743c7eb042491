package smtp

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue decides which call may go on, and over which session. It is one
// structure under one lock, for its decisions hang together:
//
//   - a place: the transaction may begin; there are as many as the window has
//   - a seat: a session puts it on the wire, behind what others have there
//   - another session is to be opened
//
// Calls get their places in the order in which they came, and their seats in
// the same one: messages should arrive about as they were sent.
type queue struct {
	// open opens one more session and tells the queue of it by opened. It is
	// called with mu locked and must not wait.
	open func()
	// abandon breaks off what open began, under the same conditions.
	abandon func()
	now     func() time.Time
	// expire ends a session that was idle for too long.
	expire func(*session)

	mu       sync.Mutex
	change   *sync.Cond // something ended
	window   window
	places   int        // calls that have one
	seats    int        // of these, those that have a seat too
	sessions []*session // until they are closed, but for those that are
	leaving  int        // saying QUIT: the server still counts them
	opening  int
	number   int
	want     []*call // wait for a place
	line     []*call // have one and are to have a seat, in order of their numbers
	closed   bool
	ending   sync.WaitGroup // what goes on by itself
}

// call is one Delivery on its way through the queue.
type call struct {
	number  int
	placed  bool          // has a place
	over    bool          // gave it back, or will never have one
	ready   bool          // waits for a seat
	offer   offer         // of a session that is open, for a first look
	granted chan struct{} // closed when what it waits for is there, or never will be
	session *session      // its seat
	turn    *turn         // there
	fail    *Error        // no session can be had
	err     error
}

// submit puts a call at the end of the queue.
func (q *queue) submit() *call {
	c := &call{granted: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		c.refuse(nil, ErrClosed)
		return c
	}
	c.number = q.number
	q.number++
	q.want = append(q.want, c)
	q.stir()
	return c
}

// admitted waits until the call has a place: a session is open, and there is
// room in the window.
func (q *queue) admitted(ctx context.Context, c *call) (*Error, error) {
	q.mu.Lock()
	placed, over := c.placed, c.over
	q.mu.Unlock()
	switch {
	case placed && over:
		return nil, errDone
	case placed:
		return nil, nil
	}
	return q.wait(ctx, c)
}

// sit waits for a seat. Without a failure or an error there is one to leave.
func (q *queue) sit(ctx context.Context, c *call) (*Error, error) {
	q.mu.Lock()
	c.granted, c.session, c.turn, c.fail, c.err = make(chan struct{}), nil, nil, nil, nil
	c.ready = true
	q.lineUp(c)
	q.stir()
	q.mu.Unlock()
	return q.wait(ctx, c)
}

// lineUp puts a call where its number belongs, unless it is there already.
func (q *queue) lineUp(c *call) {
	at, there := slices.BinarySearchFunc(q.line, c.number, func(o *call, n int) int { return o.number - n })
	if !there {
		q.line = slices.Insert(q.line, at, c)
	}
}

// refuse ends the call's wait without what it waits for.
func (c *call) refuse(fail *Error, err error) {
	c.fail, c.err, c.ready, c.over = fail, err, false, !c.placed
	close(c.granted)
}

// quit takes a call that waits for nothing any more out of all lists.
func (q *queue) quit(c *call) {
	is := func(o *call) bool { return o == c }
	q.want, q.line = slices.DeleteFunc(q.want, is), slices.DeleteFunc(q.line, is)
	if q.waiting() == 0 {
		q.abandon()
	}
}

// wait waits until the call was granted what it waits for, or was refused it.
func (q *queue) wait(ctx context.Context, c *call) (*Error, error) {
	select {
	case <-c.granted:
		return c.fail, c.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-c.granted: // just now
		return c.fail, c.err
	default:
	}
	c.refuse(nil, context.Cause(ctx))
	q.quit(c)
	q.stir()
	return nil, c.err
}

// stir grants what can be granted. It follows every change, with mu locked.
func (q *queue) stir() {
	usable := q.usable()
	for len(usable) > 0 && len(q.want) > 0 && q.places < q.window.begun() {
		c := q.want[0]
		q.want = q.want[1:]
		q.places++
		c.placed = true
		c.offer = usable[0].offer
		q.lineUp(c)
		close(c.granted)
	}
	for len(q.line) > 0 && q.line[0].ready && q.seats < q.window.onWire() {
		s := leastLoaded(usable)
		if s == nil {
			break
		}
		c := q.line[0]
		q.line = q.line[1:]
		c.ready = false
		q.seats++
		c.session, c.turn = s, s.join(q.now())
		close(c.granted)
	}
	if q.waiting() > 0 {
		for range q.window.wanted(q.seats+q.waiting(), len(usable), q.all(), q.opening) {
			q.opening++
			q.open()
		}
	}
}

// all is how many sessions the server has of us.
func (q *queue) all() int { return len(q.sessions) + q.leaving }

// waiting is how many calls wait for something.
func (q *queue) waiting() int { return len(q.want) + len(q.line) }

// usable are the sessions that take more. Those that have been idle for too
// long are given up: a timer stands still while a laptop sleeps, the server's
// does not.
func (q *queue) usable() []*session {
	for _, s := range q.sessions {
		if s.load == 0 && !s.since.IsZero() && q.now().Sub(s.since) > idleLimit {
			s.over.Store(true)
			q.remove(s)
		}
	}
	return slices.DeleteFunc(slices.Clone(q.sessions), func(s *session) bool { return s.over.Load() })
}

// leastLoaded is the session that has the least to do, nil if all have as much
// as they can take.
func leastLoaded(sessions []*session) *session {
	var best *session
	for _, s := range sessions {
		if s.load < s.depth && (best == nil || s.load < best.load) {
			best = s
		}
	}
	return best
}

// opened takes a new session in, or notes why there is none. If nobody has one
// then, that is the answer for all who wait: they need not find out one after
// the other. Given up tells that the opening was broken off.
func (q *queue) opened(s *session, fail *Error, givenUp bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opening--
	switch {
	case fail == nil:
		q.sessions = append(q.sessions, s)
		q.rest(s)
	case givenUp:
	case len(q.usable())+q.opening > 0:
		q.window.fewer(len(q.usable()))
	default:
		q.refuse(fail, nil)
	}
	q.stir()
	q.change.Broadcast()
}

// refuse is the answer for all who wait.
func (q *queue) refuse(fail *Error, err error) {
	for _, c := range q.want {
		c.refuse(fail, err)
	}
	q.want = nil
	q.line = slices.DeleteFunc(q.line, func(c *call) bool {
		if c.ready {
			c.refuse(fail, err)
			return true
		}
		return false
	})
}

package smtp

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue decides which message goes next, and over which session. It is one
// structure under one lock, because its decisions depend on each other:
//
//   - admit: the message may begin, there is room in the window
//   - assign: a session with room puts it on the wire, in its next slot
//   - open another session
//
// Messages are admitted in the order of Submit, and assigned in the same order:
// they should arrive about as they were sent.
type queue struct {
	// open opens one more session in the background and reports it by opened.
	// It is called with mu locked and must not block.
	open func()
	// abandon breaks off what open began, under the same conditions.
	abandon func()
	now     func() time.Time
	// expire ends a session that was idle for too long; end does so with one that
	// was detached.
	expire, end func(*session)
	quirks      *quirks

	mu         sync.Mutex
	changed    *sync.Cond // something ended
	window     window
	inFlight   int        // calls that are admitted
	onWire     int        // of these, those that have a session
	sessions   []*session // those that are open
	quitting   int        // sessions that are sending QUIT: the server still counts them
	opening    int
	surplus    int       // sessions that are to end because the server takes fewer
	surplusEnd time.Time // when the last of these had ended, and the server knew
	submitted  int       // calls so far
	waiting    []*call   // to be admitted
	ready      []*call   // admitted and not on a session yet, in order of their numbers
	closed     bool
	background sync.WaitGroup // sessions that are being opened or ended
}

// call is one Delivery on its way through the queue.
type call struct {
	number       int
	admitted     bool          // counts as in flight
	done         bool          // not any more, or never will
	wantsSession bool          // waits in ready for a session
	ext          extensions    // of an open session, for a first check
	granted      chan struct{} // closed when what it waits for is there, or never will be
	session      *session      // the one that it is on
	slot         *slot         // its place there
	fail         *Error        // why no session can be had
	err          error         // another reason to end the wait
}

// submit puts a new call at the end of the queue.
func (q *queue) submit() *call {
	c := &call{granted: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		c.refuse(nil, ErrClosed)
		return c
	}
	c.number = q.submitted
	q.submitted++
	q.waiting = append(q.waiting, c)
	q.schedule()
	return c
}

// admit waits until the call is admitted: a session is open, and there is room
// in the window.
func (q *queue) admit(ctx context.Context, c *call) (*Error, error) {
	q.mu.Lock()
	admitted, done := c.admitted, c.done
	q.mu.Unlock()
	switch {
	case admitted && done:
		return nil, errDone
	case admitted:
		return nil, nil
	}
	return q.await(ctx, c)
}

// assign waits until a session puts the call on the wire. Without a failure or
// an error the caller has to release that session.
func (q *queue) assign(ctx context.Context, c *call) (*Error, error) {
	q.mu.Lock()
	c.granted, c.session, c.slot, c.fail, c.err = make(chan struct{}), nil, nil, nil, nil
	c.wantsSession = true
	q.addReady(c)
	q.schedule()
	q.mu.Unlock()
	return q.await(ctx, c)
}

// addReady puts a call where its number belongs, unless it is there already.
func (q *queue) addReady(c *call) {
	at, there := slices.BinarySearchFunc(q.ready, c.number, func(o *call, n int) int { return o.number - n })
	if !there {
		q.ready = slices.Insert(q.ready, at, c)
	}
}

// await waits until the call is granted what it waits for, or refused it.
func (q *queue) await(ctx context.Context, c *call) (*Error, error) {
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
	q.remove(c)
	q.schedule()
	return nil, c.err
}

// refuse ends the call's wait. The caller takes it out of the lists.
func (c *call) refuse(fail *Error, err error) {
	c.fail, c.err, c.wantsSession, c.done = fail, err, false, !c.admitted
	close(c.granted)
}

// refuseAll refuses everyone who waits.
func (q *queue) refuseAll(fail *Error, err error) {
	for _, c := range q.waiting {
		c.refuse(fail, err)
	}
	q.waiting = nil
	q.ready = slices.DeleteFunc(q.ready, func(c *call) bool {
		if c.wantsSession {
			c.refuse(fail, err)
			return true
		}
		return false
	})
}

// remove takes a call out of all lists. If nobody waits then, no session has to
// be opened any more.
func (q *queue) remove(c *call) {
	is := func(o *call) bool { return o == c }
	q.waiting, q.ready = slices.DeleteFunc(q.waiting, is), slices.DeleteFunc(q.ready, is)
	if q.pending() == 0 {
		q.abandon()
	}
}

// schedule grants what can be granted. It is called after each change, with mu
// locked.
func (q *queue) schedule() {
	usable := q.usable()
	for len(usable) > 0 && len(q.waiting) > 0 && q.inFlight < q.window.limit() {
		c := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.inFlight++
		c.admitted = true
		c.ext = usable[0].offers()
		q.addReady(c)
		close(c.granted)
	}
	for len(q.ready) > 0 && q.ready[0].wantsSession && q.onWire < q.window.onWire() {
		s := leastLoaded(usable)
		if s == nil {
			break
		}
		c := q.ready[0]
		q.ready = q.ready[1:]
		c.wantsSession = false
		q.onWire++
		c.session, c.slot = s, s.newSlot(q.now())
		close(c.granted)
	}
	if q.pending() > 0 {
		for range q.window.wanted(q.onWire+q.pending(), len(usable), q.total(), q.opening, q.quirks.maxSessions(q.window.connections)) {
			q.opening++
			q.open()
		}
	}
}

// total is how many sessions the server has with us.
func (q *queue) total() int { return len(q.sessions) + q.quitting }

// pending is how many calls are in a list.
func (q *queue) pending() int { return len(q.waiting) + len(q.ready) }

// usable returns the sessions that may get another transaction. Those that have
// been idle for too long are closed: our timers stand still while a laptop
// sleeps, the server's do not.
func (q *queue) usable() []*session {
	for _, s := range q.sessions {
		if s.load == 0 && !s.idleSince.IsZero() && q.now().Sub(s.idleSince) > idleLimit {
			s.over.Store(true)
			q.closeSession(s)
		}
	}
	return slices.DeleteFunc(slices.Clone(q.sessions), func(s *session) bool { return s.over.Load() })
}

// leastLoaded returns the session with the fewest transactions, nil if all are
// full.
func leastLoaded(sessions []*session) *session {
	var best *session
	for _, s := range sessions {
		if s.load < s.capacity() && (best == nil || s.load < best.load) {
			best = s
		}
	}
	return best
}

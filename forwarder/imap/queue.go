package imap

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
)

const (
	// backlogPerSession is how many messages make one more session worth opening.
	backlogPerSession = 8
	// increase is how many more messages may be under way with each that is taken. It
	// begins with one: a server that refuses everything should see one at a time.
	increase = 4
	// cooldown is how many messages have to be taken after a session could not be
	// opened until another one is tried.
	cooldown = 32
	// quickAnswer is how soon a message is answered by a server that has no use for
	// more sessions. Where messages are sent unasked, one session keeps such a server
	// busy, and several only wait for each other: Dovecot locks the folder.
	quickAnswer = 250 * time.Millisecond
)

// queue decides which message goes next, and over which session. Messages are
// admitted in the order of Submit, and put on sessions in the same order: they
// should lie in the folder as they were sent.
type queue struct {
	// open opens one more session in the background and reports it by opened.
	// It is called with mu locked and must not block.
	open func()
	// abandon breaks off what open began, under the same conditions.
	abandon func()
	// end ends a session that was detached.
	end         func(*session)
	now         func() time.Time
	quirks      *quirks
	connections int
	most        int // messages that may be under way, at most

	mu         sync.Mutex
	changed    *sync.Cond // something ended
	width      int        // messages that may be under way, for now
	inFlight   int        // calls that are admitted
	sessions   []*session
	slow       bool // a message was not answered quickly
	ending     int  // sessions that are being logged out: the server still counts them
	opening    int
	enough     int     // sessions, while pause lasts: one more could not be had
	pause      int     // messages to be taken until more sessions are tried
	submitted  int     // calls so far
	waiting    []*call // to be admitted
	ready      []*call // admitted and not on a session for good, in order of their numbers
	closed     bool
	background sync.WaitGroup // sessions that are being opened, read or ended
}

// call is one Delivery on its way through the queue.
type call struct {
	number       int
	admitted     bool          // counts as in flight
	done         bool          // not any more, or never will
	wantsSession bool          // waits in ready for a session
	returns      bool          // it wants one only to ask something, and keeps its place
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

// admit waits until the call is admitted: a session is open, and not too many are
// under way.
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

// assign waits until the call has a place on a session: for its message, or only to
// ask something. Without a failure or an error the caller has to release the
// session.
func (q *queue) assign(ctx context.Context, c *call, toAsk bool) (*Error, error) {
	q.mu.Lock()
	c.granted, c.session, c.slot, c.fail, c.err = make(chan struct{}), nil, nil, nil, nil
	c.wantsSession, c.returns = true, toAsk
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
	if len(q.waiting)+len(q.ready) == 0 {
		q.abandon()
	}
}

// schedule grants what can be granted. It is called after each change, with mu
// locked.
func (q *queue) schedule() {
	usable := q.usable()
	for len(usable) > 0 && len(q.waiting) > 0 && q.inFlight < q.width {
		c := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.inFlight++
		c.admitted = true
		q.addReady(c)
		close(c.granted)
	}
	for len(q.ready) > 0 && q.ready[0].wantsSession {
		s := leastLoaded(usable, q.most)
		if s == nil {
			break
		}
		c := q.ready[0]
		if !c.returns {
			q.ready = q.ready[1:]
		}
		c.wantsSession = false
		c.session, c.slot = s, s.newSlot(q.now())
		close(c.granted)
	}
	for range q.wanted(len(usable)) {
		q.opening++
		q.open()
	}
}

// wanted is how many sessions to open. One has to succeed before there are more.
func (q *queue) wanted(usable int) int {
	pending := len(q.waiting) + len(q.ready)
	total := len(q.sessions) + q.ending + q.opening
	switch {
	case pending == 0:
		return 0
	case usable == 0:
		return min(1-min(1, q.opening), q.connections-total)
	}
	useful := 1 + (q.inFlight+len(q.waiting)-1)/backlogPerSession
	if !q.slow && slices.ContainsFunc(q.sessions, (*session).streams) {
		useful = 1
	}
	if q.pause > 0 {
		useful = min(useful, q.enough)
	}
	return min(useful, q.quirks.maxSessions(q.connections)) - total
}

// usable returns the sessions that may get another transaction. Those that have
// been idle for too long are closed: our timers stand still while a laptop
// sleeps, the server's do not.
func (q *queue) usable() []*session {
	for _, s := range slices.Clone(q.sessions) {
		if s.load == 0 && !s.idleSince.IsZero() && q.now().Sub(s.idleSince) > idleLimit {
			s.End()
			q.closeSession(s)
		}
	}
	return slices.DeleteFunc(slices.Clone(q.sessions), func(s *session) bool { return s.Over() })
}

// leastLoaded returns the session with the fewest transactions, nil if all are
// full.
func leastLoaded(sessions []*session, most int) *session {
	var best *session
	for _, s := range sessions {
		if s.load < s.capacity(most) && (best == nil || s.load < best.load) {
			best = s
		}
	}
	return best
}

// capacity is how many transactions the session takes at a time: the second one
// waits to be asked for its message, behind the answer to the first; more than that
// are of use where the server need not ask. Nothing is sent behind the first
// message of a session: what it shows is not to be paid for by another one. The
// caller holds the queue's lock.
func (s *session) capacity(most int) int {
	switch {
	case !s.proven, s.quirk.has(noPipelining):
		return 1
	case s.streams():
		return most
	}
	return 2
}

// streams reports whether messages follow each other on the session without having
// been asked for. The caller holds the queue's lock.
func (s *session) streams() bool { return s.caps().Has("LITERAL+") && !s.quirk.has(noPipelining) }

// onOutcome changes how much is asked of the server at once, after a transaction that
// took so long.
func (q *queue) onOutcome(s *session, o forwarder.Outcome, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slow = q.slow || took > quickAnswer
	switch {
	case o.Kind == forwarder.Accepted:
		s.proven = true
		q.width = min(q.most, q.width+increase)
		q.pause = max(0, q.pause-1)
	case o.Kind == forwarder.Refused && o.Throttled():
		q.width = max(1, q.width/2)
		q.onThrottled(s)
	case o.Kind == forwarder.Broken, o.Kind == forwarder.InDoubt, o.Code >= 400 && o.Code < 500:
		q.width = max(1, q.width/2)
	}
}

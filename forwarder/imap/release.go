package imap

import (
	"slices"
	"time"
)

// release ends a call: it does not count as in flight any more, and if it still
// waits, it is refused.
func (q *queue) release(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case c.done:
		return
	case c.admitted:
		q.inFlight--
		c.done = true
	default:
		c.refuse(nil, errDone)
	}
	q.remove(c)
	q.schedule()
	q.changed.Broadcast()
}

// releaseSession gives a session back after a transaction, or after it was asked
// something.
func (q *queue) releaseSession(s *session, asked bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.load--
	s.used = s.used || !asked
	q.settle(s)
	q.schedule()
}

// settle finds out what becomes of a session that may have nothing to do.
func (q *queue) settle(s *session) {
	switch {
	case s.load > 0 || !slices.Contains(q.sessions, s):
	case s.surplus, q.closed && !s.Over():
		q.detach(s)
	case s.Over():
		q.closeSession(s)
	default:
		q.setIdle(s)
	}
}

// onEnd is for a session on which the server has said its last word, or all but.
func (q *queue) onEnd(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.load == 0 && slices.Contains(q.sessions, s) {
		q.closeSession(s)
	}
	q.schedule()
	q.changed.Broadcast()
}

// onThrottled is for a server that wants fewer sessions, as it has said on s. That
// one ends, unless it is the last.
func (q *queue) onThrottled(s *session) {
	if s.surplus {
		return
	}
	others := 0
	for _, o := range q.usable() {
		if o != s {
			others++
		}
	}
	if others == 0 {
		return
	}
	q.quirks.limitSessions(others + q.opening)
	s.surplus = !s.End()
}

// preconnect opens the first session before anyone waits for it.
func (q *queue) preconnect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && len(q.usable())+q.opening == 0 && len(q.sessions)+q.ending < q.connections {
		q.opening++
		q.open()
	}
}

// opened takes a new session in, or the reason why there is none. If there is
// no other session either, that reason is the answer for everyone who waits:
// they need not find out one after the other. abandoned says that we broke the
// opening off ourselves.
func (q *queue) opened(s *session, fail *Error, abandoned bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opening--
	switch {
	case fail == nil:
		q.sessions = append(q.sessions, s)
		q.setIdle(s)
		s.BeServed()
		q.background.Go(func() { s.Serve(func() { q.onEnd(s) }) })
	case abandoned:
	case len(q.usable())+q.opening > 0:
		q.enough, q.pause = len(q.usable())+q.opening, cooldown
		if fail.Outcome().Throttled() {
			q.quirks.limitSessions(q.enough)
		}
	default:
		q.refuseAll(fail, nil)
	}
	q.schedule()
	q.changed.Broadcast()
}

// setIdle starts the time that a session may be idle.
func (q *queue) setIdle(s *session) {
	s.idleSince = q.now()
	var expiry *time.Timer
	expiry = time.AfterFunc(idleLimit, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if s.expiry == expiry && s.load == 0 && slices.Contains(q.sessions, s) {
			q.detach(s)
		}
	})
	s.expiry = expiry
}

// closeSession closes a session that has no transactions, without LOGOUT.
func (q *queue) closeSession(s *session) {
	s.expiry.Stop()
	s.Abort()
	q.forget(s)
}

// detach takes a session that has no transactions out of the list, and ends it by
// LOGOUT.
func (q *queue) detach(s *session) {
	s.expiry.Stop()
	s.End()
	q.forget(s)
	q.ending++
	q.background.Go(func() {
		q.end(s)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.ending--
		q.schedule()
		q.changed.Broadcast()
	})
}

// forget removes a session from the list.
func (q *queue) forget(s *session) {
	q.sessions = slices.DeleteFunc(slices.Clone(q.sessions), func(o *session) bool { return o == s })
}

// close refuses everyone who waits or comes later, waits until nothing is in
// flight or being opened, and ends all sessions.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.refuseAll(nil, ErrClosed)
	q.abandon()
	for q.inFlight > 0 || q.opening > 0 {
		q.changed.Wait()
	}
	for _, s := range slices.Clone(q.sessions) {
		if s.load == 0 {
			q.detach(s)
		}
	}
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

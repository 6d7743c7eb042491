package smtp

import (
	"slices"
	"time"

	"github.com/popferry/popferry/forwarder"
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

// releaseSession gives a session back after a transaction.
func (q *queue) releaseSession(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.onWire--
	s.load--
	s.used = true
	switch {
	case s.load > 0:
	case s.over.Load():
		q.closeSession(s)
	default:
		q.setIdle(s)
	}
	q.schedule()
}

// onOutcome makes the window wider or narrower after a transaction. took is how
// long the reply to its last octet took.
func (q *queue) onOutcome(out []forwarder.Outcome, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range out {
		switch {
		case o.Kind == forwarder.Accepted:
			q.window.onAccepted(took)
			return
		case o.Kind == forwarder.Broken, o.Kind == forwarder.InDoubt, o.Code >= 400 && o.Code < 500:
			q.window.onRefused()
			return
		}
	}
}

// onLongWait is called when a delivery has waited for longWait.
func (q *queue) onLongWait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.window.onLongWait()
	q.schedule()
}

// preconnect opens the first session before anyone waits for it.
func (q *queue) preconnect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && len(q.usable())+q.opening == 0 && q.total() < q.window.connections {
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
	case abandoned:
	case len(q.usable())+q.opening > 0:
		q.window.capSessions(len(q.usable()))
	default:
		q.refuseAll(fail, nil)
	}
	q.schedule()
	q.changed.Broadcast()
}

// setIdle starts the time that a session may be idle.
func (q *queue) setIdle(s *session) {
	s.idleSince = q.now()
	s.expiry = time.AfterFunc(idleLimit, func() { q.expire(s) })
}

// closeSession closes a session that has no transactions, without QUIT.
func (q *queue) closeSession(s *session) {
	s.expiry.Stop()
	s.abort()
	q.forget(s)
}

// takeIdle removes an idle session, so that the caller can end it by QUIT and
// report that by sessionEnded: s, or any if s is nil. It returns nil if there
// is none.
func (q *queue) takeIdle(s *session) *session {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.sessions, func(o *session) bool { return o.load == 0 && !o.over.Load() && (s == nil || o == s) })
	if i < 0 {
		return nil
	}
	s = q.sessions[i]
	s.expiry.Stop()
	q.background.Add(1)
	q.quitting++
	q.forget(s)
	return s
}

// sessionEnded notes that a session from takeIdle is closed.
func (q *queue) sessionEnded() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.quitting--
	q.schedule()
	q.background.Done()
}

// forget removes a session from the list.
func (q *queue) forget(s *session) {
	q.sessions = slices.DeleteFunc(slices.Clone(q.sessions), func(o *session) bool { return o == s })
	if len(q.sessions) == 0 {
		q.window.reset()
	}
}

// close refuses everyone who waits or comes later, and waits until nothing is in
// flight or being opened.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.refuseAll(nil, ErrClosed)
	q.abandon()
	for q.inFlight > 0 || q.opening > 0 {
		q.changed.Wait()
	}
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

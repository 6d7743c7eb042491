package smtp

import (
	"slices"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp/pace"
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
	case s.surplus && s.lost == nil && s.closing421 == nil:
		q.detach(s)
		go q.end(s)
	case s.over.Load():
		q.closeSession(s)
	default:
		q.setIdle(s)
	}
	q.schedule()
}

// onOutcome makes the window wider or narrower after the transaction of a call that
// began at a time. took is what an accepted message waited for. The error is
// for a server that only did not want another session, and said so at MAIL: one of
// the others takes the message.
func (q *queue) onOutcome(c *call, began time.Time, out []forwarder.Outcome, took pace.Answer) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range out {
		switch {
		case o.Kind == forwarder.Accepted:
			took.Shared = took.Shared || c.slot != c.session.lastSlot
			q.window.onAccepted(took, q.now())
			q.quirks.slowBDAT.Store(q.window.pace.SlowBDAT())
			return nil
		case o.Kind == forwarder.Refused && o.Throttled():
			q.window.onRefused()
			if q.onThrottled(c.session, began) > 0 && o.Stage == forwarder.StageMail {
				return &notStartedError{suspicion{refusal: o}}
			}
			return nil
		case o.Kind == forwarder.Broken, o.Kind == forwarder.InDoubt, o.Code >= 400 && o.Code < 500:
			q.window.onRefused()
			return nil
		}
	}
	return nil
}

// surplusGrace is how long a server may count a session that has ended.
const surplusGrace = time.Second / 2

// throttled is onThrottled for a caller without the lock.
func (q *queue) throttled(s *session, began time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.onThrottled(s, began)
}

// onThrottled is for a server that wants fewer sessions, as it has said on s. That
// one ends, if the server has not ended it, and no more are opened for a while. It
// returns how many others there are; the last session stays. What began while
// there was one more says nothing about those that are left.
func (q *queue) onThrottled(s *session, began time.Time) (others int) {
	for _, o := range q.usable() {
		if o != s {
			others++
		}
	}
	ended := s.over.Load()
	if !ended && (others == 0 || q.surplus > 0 || began.Before(q.surplusEnd)) {
		return others
	}
	q.quirks.limitSessions(others + q.opening)
	if !ended {
		q.retire(s)
	}
	rest := q.usable()
	slices.SortFunc(rest, func(a, b *session) int { return b.load - a.load })
	keep := max(1, q.quirks.maxSessions(q.window.connections)-q.opening)
	for _, o := range rest[min(keep, len(rest)):] {
		q.retire(o)
	}
	return others
}

// retire ends a session as soon as its transactions are through.
func (q *queue) retire(s *session) {
	q.surplus++
	s.surplus = true
	s.over.Store(true)
	if s.load == 0 {
		q.detach(s)
		go q.end(s)
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
		if fail.Outcome().Throttled() {
			q.quirks.limitSessions(len(q.usable()) + q.opening)
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
	s.expiry = time.AfterFunc(idleLimit, func() { q.expire(s) })
}

// closeSession closes a session that has no transactions, without QUIT.
func (q *queue) closeSession(s *session) {
	s.expiry.Stop()
	s.abort()
	q.forget(s)
	q.noteEnd(s)
}

// noteEnd notes that a session has ended, if that was to show how many the server
// takes.
func (q *queue) noteEnd(s *session) {
	if s.surplus {
		q.surplus--
		q.surplusEnd = q.now().Add(surplusGrace)
	}
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
	q.detach(s)
	return s
}

// detach removes a session that has no transactions from the list, so that it can
// be ended by QUIT.
func (q *queue) detach(s *session) {
	s.expiry.Stop()
	q.background.Add(1)
	q.quitting++
	q.forget(s)
}

// sessionEnded notes that a detached session is closed.
func (q *queue) sessionEnded(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.quitting--
	q.noteEnd(s)
	q.schedule()
	q.background.Done()
}

// forget removes a session from the list.
func (q *queue) forget(s *session) {
	q.sessions = slices.DeleteFunc(slices.Clone(q.sessions), func(o *session) bool { return o == s })
	if len(q.sessions) == 0 {
		q.window.reset()
		q.quirks.slowBDAT.Store(false)
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

package smtp

import (
	"slices"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// leaveSeat gives a seat back after a transaction.
func (q *queue) leaveSeat(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seats--
	s.load--
	switch {
	case s.load > 0:
	case s.over.Load():
		q.remove(s)
	default:
		s.used = true
		q.rest(s)
	}
	q.stir()
}

// leave gives a place back, or takes a call that has none yet out of the queue.
func (q *queue) leave(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case c.over:
		return
	case c.placed:
		q.places--
		c.over = true
	default:
		c.refuse(nil, errDone)
	}
	q.quit(c)
	q.stir()
	q.change.Broadcast()
}

// learn makes the window wider or narrower by what became of a message.
func (q *queue) learn(out []forwarder.Outcome, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range out {
		switch {
		case o.Kind == forwarder.Accepted:
			q.window.accepted(took)
			return
		case o.Kind == forwarder.Broken, o.Kind == forwarder.InDoubt, o.Code >= 400 && o.Code < 500:
			q.window.refused()
			return
		}
	}
}

// waitedLong is for somebody who has waited for long.
func (q *queue) waitedLong() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.window.waitedLong()
	q.stir()
}

// preconnect opens the first session before somebody waits for it.
func (q *queue) preconnect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && len(q.usable())+q.opening == 0 && q.all() < q.window.connections {
		q.opening++
		q.open()
	}
}

// rest lets a session be idle until somebody takes it.
func (q *queue) rest(s *session) {
	s.since = q.now()
	s.expiry = time.AfterFunc(idleLimit, func() { q.expire(s) })
}

// remove closes a session that is over and does nothing any more.
func (q *queue) remove(s *session) {
	s.expiry.Stop()
	s.abort()
	q.sessions = slices.DeleteFunc(slices.Clone(q.sessions), func(o *session) bool { return o == s })
	if len(q.sessions) == 0 {
		q.window.renewed()
	}
}

// take removes an idle session, so that its owner may end it politely. If it is
// nil, any; nil comes back if there is none.
func (q *queue) take(s *session) *session {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.sessions, func(o *session) bool { return o.load == 0 && !o.over.Load() && (s == nil || o == s) })
	if i < 0 {
		return nil
	}
	s = q.sessions[i]
	s.expiry.Stop()
	q.sessions = slices.Delete(slices.Clone(q.sessions), i, i+1)
	q.ending.Add(1)
	q.leaving++
	if len(q.sessions) == 0 {
		q.window.renewed()
	}
	return s
}

// left notes that a session that was taken is closed.
func (q *queue) left() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaving--
	q.stir()
	q.ending.Done()
}

// close refuses who waits and who comes, and waits for the others.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.refuse(nil, ErrClosed)
	q.abandon()
	for q.places > 0 || q.opening > 0 {
		q.change.Wait()
	}
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

package queue

import (
	"slices"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Answered makes the window narrower after a transaction that began at a time, or
// calls accepted, with the lock held, to make it wider: others is how many transactions
// were on the wire beside it. surplus is the refusal of a server that only wants fewer
// sessions, if there are others that may take the message.
func (q *Queue[S, L]) Answered(c *Call[S, L], began time.Time, out []forwarder.Outcome, accepted func(others int)) (surplus *forwarder.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range out {
		switch {
		case o.Kind == forwarder.Accepted:
			accepted(q.onWire - 1)
			return nil
		case o.Kind == forwarder.Refused && o.Throttled():
			q.o.Window.Narrow()
			if q.throttled(c.member, began) > 0 {
				return &o
			}
			return nil
		case o.Kind == forwarder.Broken, o.Kind == forwarder.InDoubt, o.Code >= 400 && o.Code < 500:
			q.o.Window.Narrow()
			return nil
		}
	}
	return nil
}

// Throttled is for a transaction that began at a time, and to which the server said
// that it wants fewer sessions.
func (q *Queue[S, L]) Throttled(c *Call[S, L], began time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.throttled(c.member, began)
}

// throttled is for a server that wants fewer sessions, as it has said on one. That
// one ends, if the server has not ended it, and no more are opened for a while. It
// returns how many others there are; the last session stays. What began while
// there was one more says nothing about those that are left.
func (q *Queue[S, L]) throttled(m *member[S], began time.Time) (others int) {
	for _, o := range q.usable() {
		if o != m {
			others++
		}
	}
	ended := m.session.Over()
	if !ended && (others == 0 || q.surplus > 0 || began.Before(q.surplusEnd)) {
		return others
	}
	q.o.Limit.LimitSessions(others + q.opening)
	if !ended {
		q.retire(m)
	}
	rest := slices.Clone(q.usable())
	slices.SortFunc(rest, func(a, b *member[S]) int { return b.load - a.load })
	keep := max(1, q.o.Limit.MaxSessions(q.o.Connections)-q.opening)
	for _, o := range rest[min(keep, len(rest)):] {
		q.retire(o)
	}
	return others
}

// retire ends a session as soon as its transactions are through.
func (q *Queue[S, L]) retire(m *member[S]) {
	q.surplus++
	m.surplus = true
	m.session.Retire()
	if m.load == 0 {
		q.end(m, S.Quit)
	}
}

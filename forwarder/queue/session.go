package queue

import (
	"context"
	"slices"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Session is one open session of a protocol: behind TLS where that is wanted, and
// logged in. L is a transaction's slot on it. Capacity and Join are called with the
// queue's lock held; no method but Quit and Leave may block.
type Session[L any] interface {
	comparable
	// Over reports whether no further transaction may be put on it.
	Over() bool
	// Retire makes it so.
	Retire()
	// Capacity is how many transactions it takes at a time. used says that it has had
	// one: nothing should be sent behind the first.
	Capacity(used bool) int
	// Join puts a transaction behind those that it has.
	Join(Place) L
	// Quit says goodbye, if the server still listens, and closes the connection.
	// Nothing depends on the answer, and it has an end.
	Quit()
	// Leave is Quit without waiting for the answer.
	Leave()
	// Abort closes the connection as it is. It can be called at any time and more than
	// once.
	Abort()
}

// Place is how a transaction finds its session.
type Place struct {
	Behind bool // others are on it
	Idle   bool // it has had one, and has none now: it may have ended since
	Rested bool // for so long that it may well have
}

const (
	// restAfter is how long a session has to be idle before it counts as rested.
	restAfter = time.Second
	// idleLimit is how long a session may wait for the next message. Busy SMTP servers
	// end idle ones after little more; those of IMAP have to allow 30 min (RFC 9051
	// 5.4), but each session takes one of few.
	idleLimit = 30 * time.Second
	// surplusGrace is how long a server may count a session that has ended.
	surplusGrace = time.Second / 2
)

// Failure is why no session could be had.
type Failure interface {
	error
	// Outcome is what that means for a message, without its recipient.
	Outcome() forwarder.Outcome
}

// member is a session of the queue. All is guarded by the queue's lock.
type member[S any] struct {
	session   S
	release   func()      // of its slot
	load      int         // transactions that it has
	used      bool        // it has had one
	surplus   bool        // it is to end, because the server takes fewer sessions
	idleSince time.Time   // when it became idle
	expiry    *time.Timer // ends it when it stays idle
}

// usable returns the sessions that may get another transaction, until it is called
// again. Those that have been idle for too long are closed: our timers stand still
// while a laptop sleeps, the server's do not.
func (q *Queue[S, L]) usable() []*member[S] {
	now := q.o.Now()
	stale := func(m *member[S]) bool { return m.load == 0 && now.Sub(m.idleSince) > idleLimit }
	for i := slices.IndexFunc(q.members, stale); i >= 0; i = slices.IndexFunc(q.members, stale) {
		q.abort(q.members[i])
	}
	q.free = q.free[:0]
	for _, m := range q.members {
		if !m.session.Over() {
			q.free = append(q.free, m)
		}
	}
	return q.free
}

// leastLoaded returns the session with the fewest transactions, nil if all are full.
func leastLoaded[S Session[L], L any](usable []*member[S]) *member[S] {
	var best *member[S]
	for _, m := range usable {
		if m.load < m.session.Capacity(m.used) && (best == nil || m.load < best.load) {
			best = m
		}
	}
	return best
}

// join puts a transaction on a session.
func (q *Queue[S, L]) join(m *member[S]) L {
	m.expiry.Stop()
	p := Place{Behind: m.load > 0, Idle: m.used && m.load == 0}
	p.Rested = p.Idle && q.o.Now().Sub(m.idleSince) >= restAfter
	m.load++
	return m.session.Join(p)
}

// open opens one more session in the background.
func (q *Queue[S, L]) open() {
	q.opening++
	ctx := q.openContext()
	q.background.Go(func() {
		s, release, fail := q.dial(ctx)
		q.opened(s, release, fail, ctx.Err() != nil)
	})
}

// dial opens a session, if there may be one more.
func (q *Queue[S, L]) dial(ctx context.Context) (s S, release func(), fail Failure) {
	release, err := q.o.Slot(ctx)
	if err != nil {
		return s, nil, crowded{err}
	}
	if s, fail = q.o.Dial(ctx); fail != nil {
		release()
	}
	return s, release, fail
}

// crowded is the failure to get a slot for a session: no server was asked.
type crowded struct{ error }

func (c crowded) Unwrap() error { return c.error }

// Outcome implements Failure.
func (c crowded) Outcome() forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageDial, Err: c.error}
}

// opened takes a new session in, or the reason why there is none. If there is no
// other session either, that reason is the answer for everyone who waits: they need
// not find out one after the other. abandoned says that we broke the opening off
// ourselves.
func (q *Queue[S, L]) opened(s S, release func(), fail Failure, abandoned bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opening--
	switch {
	case fail == nil:
		m := &member[S]{session: s, release: release}
		q.members = append(q.members, m)
		q.setIdle(m)
		q.o.Opened(s)
	case abandoned:
	case len(q.usable()) == 0 && q.opening > 0: // those will say whether it is the number
	case len(q.usable())+q.opening > 0:
		q.o.Window.Full(len(q.usable()) + q.opening)
		if fail.Outcome().Throttled() {
			q.o.Limit.LimitSessions(len(q.usable()) + q.opening)
		}
	default:
		q.refuseAll(fail, nil)
	}
	q.schedule()
	q.changed.Broadcast()
}

// settle ends a session that has nothing to do and is not to be used again, and lets
// others rest.
func (q *Queue[S, L]) settle(m *member[S]) {
	switch {
	case m.load > 0 || !slices.Contains(q.members, m):
	case q.closed && !m.session.Over():
		q.end(m, S.Leave)
	case m.surplus:
		q.end(m, S.Quit)
	case m.session.Over():
		q.abort(m)
	default:
		q.setIdle(m)
	}
}

// setIdle starts the time that a session may be idle.
func (q *Queue[S, L]) setIdle(m *member[S]) {
	m.idleSince = q.o.Now()
	var expiry *time.Timer
	expiry = time.AfterFunc(idleLimit, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if m.expiry == expiry && m.load == 0 && slices.Contains(q.members, m) {
			q.end(m, S.Quit)
		}
	})
	m.expiry = expiry
}

// abort closes a session that has no transactions, without a goodbye.
func (q *Queue[S, L]) abort(m *member[S]) {
	m.session.Retire()
	m.session.Abort()
	q.forget(m)
	q.background.Go(m.release)
	q.noteEnd(m)
}

// end takes a session that has no transactions out of the list, and ends it by Quit or
// Leave.
func (q *Queue[S, L]) end(m *member[S], goodbye func(S)) {
	m.session.Retire()
	q.forget(m)
	q.quitting++
	q.background.Go(func() {
		goodbye(m.session)
		m.release()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.quitting--
		q.noteEnd(m)
		q.schedule()
	})
}

// forget removes a session from the list.
func (q *Queue[S, L]) forget(m *member[S]) {
	m.expiry.Stop()
	q.members = slices.DeleteFunc(q.members, func(o *member[S]) bool { return o == m })
	if len(q.members) == 0 {
		q.o.Window.Reset()
	}
}

// noteEnd notes that a session has ended, if that was to show how many the server
// takes.
func (q *Queue[S, L]) noteEnd(m *member[S]) {
	if m.surplus {
		q.surplus--
		q.surplusEnd = q.o.Now().Add(surplusGrace)
	}
}

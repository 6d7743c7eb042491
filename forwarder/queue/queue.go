package queue

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Options say what a queue is for. All but Opened and Slot are required.
type Options[S Session[L], L any] struct {
	// Dial opens a session.
	Dial func(context.Context) (S, Failure)
	// Opened, if set, is called with each new session. The queue's lock is held.
	Opened func(S)
	// Slot, if set, is asked before each session is opened whether there may be one
	// more; release says that it has ended.
	Slot   func(context.Context) (release func(), err error)
	Window Window[S]
	Limit  Limit
	// Connections is how many sessions there may be at once.
	Connections int
	Now         func() time.Time
}

// Queue puts calls on sessions. Its methods may be called from several goroutines.
type Queue[S Session[L], L any] struct {
	o Options[S, L]

	mu         sync.Mutex
	changed    *sync.Cond // something ended
	inFlight   int        // calls that are admitted
	onWire     int        // of these, those that have a session
	members    []*member[S]
	free       []*member[S] // what usable has returned
	quitting   int          // sessions that are being ended: the server still counts them
	opening    int
	surplus    int           // sessions that are to end because the server takes fewer
	surplusEnd time.Time     // when the last of these had ended, and the server knew
	submitted  int           // calls so far
	waiting    []*Call[S, L] // to be admitted
	ready      []*Call[S, L] // admitted and not on a session for good, in order of their numbers
	closed     bool
	background sync.WaitGroup // sessions that are being opened, read or ended

	openCtx    context.Context // for the sessions that are being opened; nil: none is
	cancelOpen context.CancelFunc
}

// New returns a queue without sessions.
func New[S Session[L], L any](o Options[S, L]) *Queue[S, L] {
	if o.Opened == nil {
		o.Opened = func(S) {}
	}
	if o.Slot == nil {
		o.Slot = func(context.Context) (func(), error) { return func() {}, nil }
	}
	q := &Queue[S, L]{o: o}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// Submit puts a new call at the end of the queue. The caller has to call Done.
func (q *Queue[S, L]) Submit() *Call[S, L] {
	c := &Call[S, L]{granted: make(chan struct{})}
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

// Admit waits until the call is admitted: a session is open, and there is room in
// the window.
func (q *Queue[S, L]) Admit(ctx context.Context, c *Call[S, L]) (Failure, error) {
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

// Assign waits until an admitted call has a slot on a session: for its message, or
// only to ask something. Without a failure or an error the caller has to call Return,
// even if ctx is done.
func (q *Queue[S, L]) Assign(ctx context.Context, c *Call[S, L], toAsk bool) (Failure, error) {
	q.mu.Lock()
	c.granted, c.member, c.fail, c.err = make(chan struct{}), nil, nil, nil
	c.wantsSession, c.asks = true, toAsk
	q.addReady(c)
	q.schedule()
	q.mu.Unlock()
	return q.await(ctx, c)
}

// Return gives a call's session back after its transaction, or after it was asked
// something.
func (q *Queue[S, L]) Return(c *Call[S, L]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := c.member
	q.onWire--
	m.load--
	m.used = m.used || !c.asks
	q.settle(m)
	q.schedule()
}

// Done ends a call: it does not count as in flight any more, and if it still waits,
// it is refused. It may be called again.
func (q *Queue[S, L]) Done(c *Call[S, L]) {
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

// Update calls change, which changes the window, with the lock held.
func (q *Queue[S, L]) Update(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
	q.schedule()
}

// Preconnect opens sessions for so many calls before anyone waits for them: the first
// one, and more where that is known to be worth while.
func (q *Queue[S, L]) Preconnect(calls int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	wanted := min(q.o.Window.Ahead(calls), q.o.Limit.MaxSessions(q.o.Connections))
	for range min(wanted-len(q.usable())-q.opening, q.o.Connections-q.total()-q.opening) {
		q.open()
	}
}

// Ended is for a session on which the server has said its last word, while nobody
// may have been waiting for it.
func (q *Queue[S, L]) Ended(s S) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.members {
		if m.session == s && m.load == 0 {
			q.abort(m)
			break
		}
	}
	q.schedule()
	q.changed.Broadcast()
}

// Go calls f in the background; Close waits for it.
func (q *Queue[S, L]) Go(f func()) { q.background.Go(f) }

// Closed reports whether Close was called.
func (q *Queue[S, L]) Closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Close refuses everyone who waits or comes later with ErrClosed, waits until nothing
// is in flight or being opened, and begins to end all sessions. Wait waits for that.
func (q *Queue[S, L]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.refuseAll(nil, ErrClosed)
	q.stopOpening()
	for q.inFlight > 0 || q.opening > 0 {
		q.changed.Wait()
	}
	for _, m := range slices.Clone(q.members) {
		q.settle(m)
	}
}

// Wait waits for what is in the background.
func (q *Queue[S, L]) Wait() { q.background.Wait() }

// schedule grants what can be granted. It is called after each change, with mu
// locked.
func (q *Queue[S, L]) schedule() {
	usable := q.usable()
	for len(usable) > 0 && len(q.waiting) > 0 && q.inFlight < q.o.Window.Width() {
		c := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.inFlight++
		c.admitted, c.First = true, usable[0].session
		q.addReady(c)
		close(c.granted)
	}
	for len(q.ready) > 0 && q.ready[0].wantsSession && q.onWire < q.o.Window.OnWire() {
		m := leastLoaded(usable)
		if m == nil {
			break
		}
		c := q.ready[0]
		if !c.asks {
			q.ready = q.ready[1:]
		}
		q.onWire++
		c.wantsSession = false
		c.member, c.Session, c.Slot = m, m.session, q.join(m)
		close(c.granted)
	}
	for range q.wanted(usable) {
		q.open()
	}
}

// wanted is how many sessions to open. One has to succeed before there are more.
func (q *Queue[S, L]) wanted(usable []*member[S]) int {
	total := q.total() + q.opening
	switch {
	case q.pending() == 0:
		return 0
	case len(usable) == 0:
		return min(1-min(1, q.opening), q.o.Connections-total)
	}
	useful := q.o.Window.Sessions(Load[S]{len(q.waiting), len(q.ready), q.onWire, q.inFlight, usable[0].session})
	return min(useful, q.o.Limit.MaxSessions(q.o.Connections)) - total
}

// total is how many sessions the server has with us.
func (q *Queue[S, L]) total() int { return len(q.members) + q.quitting }

// openContext is the context for sessions that are being opened.
func (q *Queue[S, L]) openContext() context.Context {
	if q.openCtx == nil {
		q.openCtx, q.cancelOpen = context.WithCancel(context.Background())
	}
	return q.openCtx
}

// stopOpening breaks off what is being opened, because nobody waits for it.
func (q *Queue[S, L]) stopOpening() {
	if q.openCtx != nil {
		q.cancelOpen()
		q.openCtx = nil
	}
}

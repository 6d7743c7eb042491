package smtp

import (
	"context"
	"sync"

	"github.com/popferry/popferry/forwarder"
)

// Pool delivers messages to one server over a few sessions, which are opened
// when they are needed and used for many messages. Its methods may be called
// from several goroutines.
type Pool struct {
	o      Options
	quirks *quirks
	queue  queue

	// For the sessions that are being opened, guarded by the queue's lock:

	opening     context.Context
	stopOpening context.CancelFunc
}

// New returns a pool without opening anything.
func New(o Options) *Pool {
	p := &Pool{o: o.withDefaults()}
	p.quirks = newQuirks(&p.o)
	p.queue = queue{open: p.open, abandon: p.abandon, expire: p.expire, end: p.end, quirks: p.quirks, now: p.o.Now, window: newWindow(p.o.Connections, p.o.InFlight)}
	p.queue.changed = sync.NewCond(&p.queue.mu)
	return p
}

// Workers is how many deliveries are useful at once.
func (p *Pool) Workers() int { return p.o.InFlight }

// Facts returns what is known of the server, to be kept for the next pool.
func (p *Pool) Facts() Facts { return p.quirks.all() }

// Preconnect opens a session, if there is none, for messages that are about to
// come. If that fails, the first of them learns it.
func (p *Pool) Preconnect() { p.queue.preconnect() }

// Check opens a session, up to and including the login, and ends it again. The
// error is an *Error if it is about the server.
func (p *Pool) Check(ctx context.Context) error {
	if p.queue.isClosed() {
		return ErrClosed
	}
	s, err := dial(ctx, &p.o, p.quirks)
	switch {
	case err == nil:
		s.quit()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// Close waits until the deliveries that are in flight are done, ends all
// sessions and refuses the rest with ErrClosed. It may be called again.
func (p *Pool) Close() error {
	p.queue.close()
	p.endIdle()
	p.queue.background.Wait()
	return nil
}

// open opens a session in the background.
func (p *Pool) open() {
	if p.opening == nil || p.opening.Err() != nil {
		p.opening, p.stopOpening = context.WithCancel(context.Background())
	}
	ctx := p.opening
	p.queue.background.Go(func() {
		s, fail := dial(ctx, &p.o, p.quirks)
		p.queue.opened(s, fail, ctx.Err() != nil)
	})
}

// abandon breaks off what open began, because nobody waits for it any more.
func (p *Pool) abandon() {
	if p.stopOpening != nil {
		p.stopOpening()
	}
}

// endIdle ends the sessions that no message is using, all at once.
func (p *Pool) endIdle() {
	var all sync.WaitGroup
	defer all.Wait()
	for s := p.queue.takeIdle(nil); s != nil; s = p.queue.takeIdle(nil) {
		all.Go(func() { p.end(s) })
	}
}

// expire ends a session that has been idle for too long, unless it was taken
// meanwhile.
func (p *Pool) expire(s *session) {
	if p.queue.takeIdle(s) != nil {
		p.end(s)
	}
}

// end ends a session that was detached.
func (p *Pool) end(s *session) {
	defer p.queue.sessionEnded(s)
	s.quit()
}

// unusable returns the outcomes of a message for which no session could be had.
// If ctx is done, that is not the server's fault.
func unusable(ctx context.Context, m *forwarder.Message, e *Error) ([]forwarder.Outcome, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return same(m, e.Outcome()), nil
}

// same is one outcome for all recipients.
func same(m *forwarder.Message, o forwarder.Outcome) []forwarder.Outcome {
	out := make([]forwarder.Outcome, len(m.Recipients))
	for i, to := range m.Recipients {
		o.Recipient = to
		out[i] = o
	}
	return out
}

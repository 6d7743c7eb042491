package smtp

import (
	"context"
	"sync"

	"github.com/popferry/popferry/forwarder"
)

// Pool delivers messages to one server over a few sessions that are opened when
// they are needed and used for many messages. Its methods may be called from
// several goroutines.
type Pool struct {
	o      Options
	quirks quirks
	queue  queue

	// Of the sessions that are being opened, under the lock of the queue:

	opening context.Context
	giveUp  context.CancelFunc
}

// maxTries is how often a message is put on the wire whose session ends at
// messages before it.
const maxTries = 3

// New returns a pool without opening anything.
func New(o Options) *Pool {
	p := &Pool{o: o.withDefaults()}
	p.queue = queue{open: p.open, abandon: p.abandon, expire: p.expire, now: p.o.Now, window: newWindow(p.o.Connections, p.o.InFlight)}
	p.queue.change = sync.NewCond(&p.queue.mu)
	return p
}

// Workers is how many deliveries are useful at once.
func (p *Pool) Workers() int { return p.o.InFlight }

// try is one seat in a session. After errUntouched nothing was delivered, and
// nothing was said about the message.
func (p *Pool) try(ctx context.Context, c *call, m *forwarder.Message) ([]forwarder.Outcome, error) {
	fail, err := p.queue.sit(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case fail != nil:
		return unusable(ctx, m, fail)
	}
	defer p.queue.leaveSeat(c.session)
	out, ok := c.session.offer.fit(m)
	if !ok {
		c.turn.pass()
		return out, nil
	}
	took, err := c.session.deliver(ctx, c.turn, m, out)
	if err != nil {
		return nil, err
	}
	p.queue.learn(out, took)
	return out, nil
}

// open opens a session in the background.
func (p *Pool) open() {
	if p.opening == nil || p.opening.Err() != nil {
		p.opening, p.giveUp = context.WithCancel(context.Background())
	}
	ctx := p.opening
	p.queue.ending.Go(func() {
		s, fail := dial(ctx, &p.o, &p.quirks)
		p.queue.opened(s, fail, ctx.Err() != nil)
	})
}

// abandon breaks off what open began: nobody waits for it any more.
func (p *Pool) abandon() {
	if p.giveUp != nil {
		p.giveUp()
	}
}

// Check opens a session, up to and with the login, and ends it again. The error
// is an *Error if it is about the server.
func (p *Pool) Check(ctx context.Context) error {
	if p.queue.isClosed() {
		return ErrClosed
	}
	s, err := dial(ctx, &p.o, &p.quirks)
	switch {
	case err == nil:
		s.quit()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// Preconnect opens a session, if there is none, for messages that are about to come.
// If that fails, the first of them is told.
func (p *Pool) Preconnect() { p.queue.preconnect() }

// Idle ends the sessions that no message is using, all at once.
func (p *Pool) Idle() {
	var all sync.WaitGroup
	defer all.Wait()
	for s := p.queue.take(nil); s != nil; s = p.queue.take(nil) {
		all.Go(func() { p.end(s) })
	}
}

// Close waits until the deliveries that are in flight are done, ends all
// sessions and refuses the rest with ErrClosed. It may be called again.
func (p *Pool) Close() error {
	p.queue.close()
	p.Idle()
	p.queue.ending.Wait()
	return nil
}

// expire ends a session that has been idle for too long, unless it was taken
// in the meantime.
func (p *Pool) expire(s *session) {
	if p.queue.take(s) != nil {
		p.end(s)
	}
}

// end ends a session that was taken from the queue.
func (p *Pool) end(s *session) {
	defer p.queue.left()
	s.quit()
}

// unusable is the answer of Wait when no session could be had; a ctx that is
// done is no fault of the server.
func unusable(ctx context.Context, m *forwarder.Message, e *Error) ([]forwarder.Outcome, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out := make([]forwarder.Outcome, len(m.Recipients))
	for i, to := range m.Recipients {
		out[i] = e.Outcome()
		out[i].Recipient = to
	}
	return out, nil
}

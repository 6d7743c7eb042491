package smtp

import (
	"context"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/queue"
)

// Pool delivers messages to one server over a few sessions, which are opened
// when they are needed and used for many messages. Its methods may be called
// from several goroutines.
type Pool struct {
	o      Options
	quirks *quirks
	window *window // guarded by the queue's lock
	queue  *queue.Queue[*session, *slot]
}

// New returns a pool without opening anything.
func New(o Options) *Pool {
	p := &Pool{o: o.withDefaults()}
	connections := min(p.o.Connections, p.o.InFlight)
	p.quirks = newQuirks(&p.o)
	p.window = newWindow(connections, p.o.InFlight, p.quirks)
	p.queue = queue.New(queue.Options[*session, *slot]{
		Dial: func(ctx context.Context) (*session, queue.Failure) { return dial(ctx, &p.o, p.quirks) },
		Slot: p.o.Slot, Window: p.window, Limit: p.quirks, Connections: connections, Now: p.o.Now,
	})
	return p
}

// Workers is how many deliveries are useful at once.
func (p *Pool) Workers() int { return p.o.InFlight }

// Facts returns what is known of the server, to be kept for the next pool.
func (p *Pool) Facts() Facts { return p.quirks.All() }

// Preconnect opens a session, if there is none, for so many messages that are about to
// come, and more at a server that is known to take several. If that fails, the first of
// the messages learns it.
func (p *Pool) Preconnect(messages int) { p.queue.Preconnect(messages) }

// Check opens a session, up to and including the login, and ends it again. The
// error is an *Error if it is about the server.
func (p *Pool) Check(ctx context.Context) error {
	if p.queue.Closed() {
		return ErrClosed
	}
	s, fail := dial(ctx, &p.o, p.quirks)
	switch {
	case fail == nil:
		s.Quit()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fail
}

// Close waits until the deliveries that are in flight are done, ends all
// sessions and refuses the rest with ErrClosed. It may be called again.
func (p *Pool) Close() error {
	p.queue.Close()
	p.queue.Wait()
	return nil
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

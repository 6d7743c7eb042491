package smtp

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Delivery is one message in the pool: its place in the order, and, from the
// moment when it may be sent, one of the InFlight. A fetch loop submits its
// messages one after the other; each has a goroutine of its own, which waits:
//
//	d := pool.Submit(m)           // in the loop: the order is that of the calls
//	go func() {
//		defer d.Done()            // whatever happens, or those behind it wait for ever
//		outs, err := d.Wait(ctx, intent)
//		... write the outcome to disk; only then is it done
//	}()
//
// Wait and Resend are called one after the other, Done when they have returned
// or instead of them.
type Delivery struct {
	p *Pool
	m *forwarder.Message
	c *call
}

// Submit takes m's place in the order: no message that is submitted later is
// put on a session before it. It does not block. The caller has to call Done.
func (p *Pool) Submit(m *forwarder.Message) *Delivery {
	return &Delivery{p, m, p.queue.submit()}
}

// Wait delivers the message and returns one outcome for each recipient, in the
// order of Message.Recipients.
//
// begin, if not nil, is called once, when a session is ready and there is room
// for the message in flight, before the first command of the transaction: the
// caller notes there that the message may be delivered from now on. It is not
// called if no session can be had (Unusable) or the server cannot take the
// message for any recipient (Impossible).
//
// The error is for faults of our own: ctx was done before anything was sent,
// begin failed, Message.Body could not be read, the pool is closed. Nothing was
// delivered then.
func (d *Delivery) Wait(ctx context.Context, begin func(context.Context) error) ([]forwarder.Outcome, error) {
	long := time.AfterFunc(longWait, d.p.queue.waitedLong)
	fail, err := d.p.queue.admitted(ctx, d.c)
	long.Stop()
	switch {
	case err != nil:
		return nil, err
	case fail != nil:
		return unusable(ctx, d.m, fail)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	if out, ok := d.c.offer.fit(d.m); !ok {
		return out, nil
	}
	if begin != nil {
		if err := begin(ctx); err != nil {
			return nil, err
		}
	}
	for tries := 0; tries < maxTries; {
		out, err := d.p.try(ctx, d.c, d.m)
		if !errors.Is(err, errUntouched) {
			return out, err
		}
		if !d.c.turn.idle { // else that one had ended before; there are only so many
			tries++
		}
	}
	out := make([]forwarder.Outcome, len(d.m.Recipients))
	for i, to := range d.m.Recipients {
		out[i] = forwarder.Outcome{Recipient: to, Kind: forwarder.Broken, Stage: forwarder.StageMail, Err: errUntouched}
	}
	return out, nil
}

// Resend is Wait for another form of the message, such as a refused one that
// was wrapped. It goes in the same place: before those that were submitted later
// and are not on a session yet, and as the same one in flight.
func (d *Delivery) Resend(ctx context.Context, m *forwarder.Message, begin func(context.Context) error) ([]forwarder.Outcome, error) {
	d.m = m
	return d.Wait(ctx, begin)
}

// Done gives the message's place back. Until then it counts as in flight, so it
// is called when the outcome is on disk. A message that was not waited for is
// not sent. It may be called again.
func (d *Delivery) Done() { d.p.queue.leave(d.c) }

// Send delivers one message for a caller that has nothing to write to disk.
func (p *Pool) Send(ctx context.Context, m *forwarder.Message) ([]forwarder.Outcome, error) {
	d := p.Submit(m)
	defer d.Done()
	return d.Wait(ctx, nil)
}

// Deliver is Submit, Wait and Done in one, with Message.Queued and Settled.
//
// Deprecated: it goes when nothing uses these two.
func (p *Pool) Deliver(ctx context.Context, m *forwarder.Message, begin func(context.Context) error) ([]forwarder.Outcome, error) {
	d := p.Submit(m)
	if m.Queued != nil {
		m.Queued()
	}
	if m.Settled == nil {
		defer d.Done()
	} else {
		go func() {
			<-m.Settled
			d.Done()
		}()
	}
	return d.Wait(ctx, begin)
}

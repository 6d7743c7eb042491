package smtp

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/queue"
	"github.com/popferry/popferry/forwarder/smtp/pace"
)

// Delivery is one message in the pool: its place in the order and, once it may
// be sent, one of the InFlight. A fetch loop submits its messages one after the
// other and waits for each in a goroutine of its own:
//
//	d := pool.Submit(m) // in the loop: the order is that of the calls
//	go func() {
//		defer d.Done() // whatever happens, or those behind it wait for ever
//		outs, err := d.Wait(ctx, intent)
//		// write the outcome to disk
//	}()
//
// Wait and Resend are called one after the other; Done when they have returned,
// or instead of them.
type Delivery struct {
	p *Pool
	m *forwarder.Message
	c *queue.Call[*session, *slot]
}

// maxTries is how often a message is put on the wire if each session ends
// before it gets to the message.
const maxTries = 3

// Submit takes m's place in the order: what is submitted later is not put on a
// session before it. It does not block. The caller has to call Done.
func (p *Pool) Submit(m *forwarder.Message) *Delivery {
	return &Delivery{p, m, p.queue.Submit()}
}

// Wait delivers the message and returns one outcome for each recipient, in the
// order of Message.Recipients.
//
// begin, if not nil, is called once, when a session is open and there is room
// in flight, before the first command of the transaction: the caller writes
// there that the message may be delivered from now on. at is zero, because SMTP
// and LMTP cannot look for a message later. begin is not called if no session can
// be had (Unusable) or the server cannot take the message for any recipient
// (Impossible).
//
// The error is for faults of our own: ctx was done before anything was sent,
// begin failed, Message.Body could not be read, the pool is closed. Nothing was
// delivered then.
func (d *Delivery) Wait(ctx context.Context, begin func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error) {
	long := time.AfterFunc(longWait, func() { d.p.queue.Update(d.p.window.onLongWait) })
	fail, err := d.p.queue.Admit(ctx, d.c)
	long.Stop()
	switch {
	case err != nil:
		return nil, err
	case fail != nil:
		return same(d.m, fail.Outcome()), nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	if out, ok := d.c.First.offers().check(d.m); !ok {
		return out, nil
	}
	if begin != nil {
		if err := begin(ctx, forwarder.Mark{}); err != nil {
			return nil, err
		}
	}
	var suspicions []suspicion
	for tries := 0; tries < maxTries; {
		out, err := d.try(ctx)
		var early *notStartedError
		if !errors.As(err, &early) {
			d.p.quirks.judge(suspicions, out)
			return out, err
		}
		if early.exists() {
			suspicions = append(suspicions, early.suspicion)
		}
		// Of sessions that were idle, or that the server does not want, there are only
		// so many. One that is spent has taken other messages, so that this has an end, too.
		if !d.c.Slot.place.Idle && !early.refusal.Throttled() && !early.refusal.SessionSpent() {
			tries++
		}
	}
	return same(d.m, notStarted(suspicions)), nil
}

// notStarted is the outcome of a message that no session got to: the last reply
// to it, if there was one.
func notStarted(suspicions []suspicion) forwarder.Outcome {
	if n := len(suspicions); n > 0 && suspicions[n-1].refusal.Code != 0 {
		return suspicions[n-1].refusal
	}
	return forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageMail, Err: errNotStarted}
}

// try puts the message on a session. After a notStartedError nothing was
// delivered, and what was said may not be about the message.
func (d *Delivery) try(ctx context.Context) ([]forwarder.Outcome, error) {
	q, c := d.p.queue, d.c
	fail, err := q.Assign(ctx, c, false)
	switch {
	case err != nil:
		return nil, err
	case fail != nil:
		return same(d.m, fail.Outcome()), nil
	}
	defer q.Return(c)
	out, ok := c.Session.offers().check(d.m)
	if !ok {
		c.Slot.skip()
		return out, nil
	}
	began := d.p.o.Now()
	took, err := c.Session.deliver(ctx, c.Slot, d.m, out)
	var early *notStartedError
	switch {
	case err == nil:
		return d.answered(began, out, took)
	case errors.As(err, &early) && early.refusal.Throttled() && !early.refusal.SessionSpent():
		q.Throttled(c, began)
	}
	return nil, err
}

// answered makes the window wider or narrower after a transaction that began at a
// time. took is what an accepted message waited for. The error is for a server that
// only did not want another session, and said so at MAIL: one of the others takes the
// message.
func (d *Delivery) answered(began time.Time, out []forwarder.Outcome, took pace.Answer) ([]forwarder.Outcome, error) {
	surplus := d.p.queue.Answered(d.c, began, out, func(others int) {
		took.Shared = took.Shared || d.c.Slot != d.c.Session.lastSlot
		d.p.window.onAccepted(took, others, d.p.o.Now())
	})
	if surplus != nil && surplus.Stage == forwarder.StageMail {
		return nil, &notStartedError{suspicion{refusal: *surplus}}
	}
	return out, nil
}

// Resend is Wait for another form of the message, such as a refused one that
// was wrapped. It keeps the message's place: it goes before those that were
// submitted later and are not on a session yet, and is the same one in flight.
func (d *Delivery) Resend(ctx context.Context, m *forwarder.Message, begin func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error) {
	d.m = m
	return d.Wait(ctx, begin)
}

// Done gives the message's place back. Until then it counts as in flight, so
// call it when the outcome is on disk. A message that was not waited for is not
// sent. Done may be called again.
func (d *Delivery) Done() { d.p.queue.Done(d.c) }

// Send is Submit, Wait and Done in one, for a caller that has nothing to write
// to disk.
func (p *Pool) Send(ctx context.Context, m *forwarder.Message) ([]forwarder.Outcome, error) {
	d := p.Submit(m)
	defer d.Done()
	return d.Wait(ctx, nil)
}

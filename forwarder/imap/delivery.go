package imap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
	"github.com/popferry/popferry/forwarder/queue"
)

// Delivery is one message in the pool: its place in the order and, once it may
// be sent, one of the InFlight. It is used as one of package smtp: a fetch loop calls
// Submit for its messages, in their order, and for each a goroutine of its own calls
// Wait, perhaps Resend, and in the end Done.
type Delivery struct {
	p *Pool
	m *forwarder.Message
	c *queue.Call[*session, *slot]
}

// maxTries is how often a message is put on the wire if each session ends
// before it gets to the message.
const maxTries = 3

// Submit takes m's place in the order, without blocking. The caller has to call Done.
func (p *Pool) Submit(m *forwarder.Message) *Delivery {
	return &Delivery{p, m, p.queue.Submit()}
}

// Wait delivers the message and returns one outcome for each of
// Message.Recipients, all alike but for the recipient: IMAP has a folder instead.
// Without recipients it is one outcome.
//
// begin, if not nil, is called once, when a session is open and there is room
// in flight, before the first octet of the message's command: the caller writes
// there that the message may be delivered from now on, and at, by which Find finds
// it. begin is not called if no session can be had (Unusable), the server cannot
// take the message (Impossible), or there is no such folder (Refused at StageRcpt).
//
// The error is for faults of our own: ctx was done before anything was sent,
// begin failed, Message.Body could not be read, the pool is closed. Nothing was
// delivered then.
func (d *Delivery) Wait(ctx context.Context, begin func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error) {
	o, err := d.wait(ctx, begin)
	if err != nil {
		return nil, err
	}
	out := make([]forwarder.Outcome, max(1, len(d.m.Recipients)))
	for i := range out {
		out[i] = o
		if i < len(d.m.Recipients) {
			out[i].Recipient = d.m.Recipients[i]
		}
	}
	return out, nil
}

func (d *Delivery) wait(ctx context.Context, begin func(context.Context, forwarder.Mark) error) (forwarder.Outcome, error) {
	fail, err := d.p.queue.Admit(ctx, d.c)
	switch {
	case err != nil:
		return forwarder.Outcome{}, err
	case fail != nil:
		return fail.Outcome(), nil //nolint:nilerr // what the server said is the outcome
	case ctx.Err() != nil:
		return forwarder.Outcome{}, context.Cause(ctx)
	}
	nul, err := d.hasNUL()
	if err != nil {
		return forwarder.Outcome{}, err
	}
	to, o, err := d.place(ctx, nul)
	if err != nil || o.Kind != 0 {
		return o, err
	}
	if begin != nil {
		if err := begin(ctx, to.mark); err != nil {
			return forwarder.Outcome{}, err
		}
	}
	created := false
	for tries := 0; tries < maxTries; {
		o, err := d.try(ctx, to.mark.Folder.Name, nul)
		switch {
		case err == nil && o.Enhanced == noSuchFolder && d.p.o.CreateFolder && !created:
			created = true
			d.p.server.forget(d.folder(d.c.Session.caps()))
			if _, o, err := d.place(ctx, nul); err != nil || o.Kind != 0 {
				return o, err
			}
		case err == nil && o.Kind == forwarder.Accepted:
			return d.p.back.outcome(ctx, d.m, to.mark, o), nil
		case !errors.Is(err, errNotStarted):
			return o, err
		case !d.c.Slot.place.Idle: // of sessions that were idle there are only so many
			tries++
		}
	}
	return forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageData, Err: errNotStarted}, nil
}

// folder is the configured name of the message's folder. At Gmail all messages go
// into the same one, but for junk, and that of an account is a label beside it (Confirm).
func (d *Delivery) folder(caps wire.Capabilities) string { return d.p.folder(d.m.Folder, caps) }

func (p *Pool) folder(wanted string, caps wire.Capabilities) string {
	if p.isLabel(wanted, caps) {
		return p.o.Folder
	}
	return cmp.Or(wanted, p.o.Folder)
}

// isLabel reports whether a folder is a label beside the usual one.
func (p *Pool) isLabel(folder string, caps wire.Capabilities) bool {
	return caps.Gmail() && folder != "" && folder != p.o.Folder && folder != forwarder.JunkFolder
}

// hasNUL reports whether the message has a NUL. Its error is for a body that could
// not be read.
func (d *Delivery) hasNUL() (bool, error) {
	if d.m.Strays == forwarder.NoStrays {
		return false, nil
	}
	body := d.m.Body()
	for buf := make([]byte, 32<<10); ; {
		n, err := body.Read(buf)
		switch {
		case bytes.IndexByte(buf[:n], 0) >= 0:
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("reading the message: %w", err)
		}
	}
}

// place finds the folder, and whether the message can go there at all. Otherwise it
// returns the outcome.
func (d *Delivery) place(ctx context.Context, nul bool) (folder, forwarder.Outcome, error) {
	_, caps, _ := d.p.server.known("", d.p.o.Now())
	if f, caps, ok := d.p.server.known(d.folder(caps), d.p.o.Now()); ok {
		return f, d.p.check(d.m, caps, f, nul), nil
	}
	var lost error
	for range maxTries {
		fail, err := d.p.queue.Assign(ctx, d.c, true)
		switch {
		case err != nil:
			return folder{}, forwarder.Outcome{}, err
		case fail != nil:
			return folder{}, fail.Outcome(), nil //nolint:nilerr // what the server said is the outcome
		}
		var f folder
		var o forwarder.Outcome
		if f, o, lost = d.ask(ctx, nul); lost == nil || ctx.Err() != nil {
			return f, o, lost
		}
		if !wire.HungUp(lost) {
			break // it is not to be asked for as long again
		}
	}
	return folder{}, forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageRcpt, Err: lost}, nil
}

// ask is place on the session that the call has. The error is the connection's, or
// that of ctx.
func (d *Delivery) ask(ctx context.Context, nul bool) (folder, forwarder.Outcome, error) {
	s, slot := d.c.Session, d.c.Slot
	defer d.p.queue.Return(d.c)
	if err := slot.await(ctx); err != nil {
		return folder{}, forwarder.Outcome{}, err
	}
	defer slot.passOn()
	if s.Over() {
		return folder{}, forwarder.Outcome{}, errNotStarted
	}
	caps := s.caps()
	f, refusal, err := d.p.server.ready(ctx, s, d.folder(caps))
	switch {
	case err != nil:
		return folder{}, forwarder.Outcome{}, err
	case refusal != nil:
		return folder{}, *refusal, nil
	}
	return f, d.p.check(d.m, caps, f, nul), nil
}

// check returns what rules a message out before anything is sent.
func (p *Pool) check(m *forwarder.Message, caps wire.Capabilities, f folder, nul bool) forwarder.Outcome {
	limit := p.limit(caps, f)
	switch {
	case limit > 0 && m.Size > limit:
		return impossible(552, forwarder.EnhancedCode{5, 3, 4}, fmt.Sprintf("the message has %d octets, the server takes %d", m.Size, limit))
	case nul && !caps.Binary():
		return impossible(554, forwarder.EnhancedCode{5, 6, 1}, "the message has a NUL, and the server does not announce BINARY")
	case m.Strays != forwarder.NoStrays && !nul && p.quirks.Has(noStrays):
		return impossible(554, forwarder.EnhancedCode{5, 6, 1}, "the message has a CR that is not part of a line end, and the server has refused such messages")
	}
	return forwarder.Outcome{}
}

// impossible is an outcome in our words.
func impossible(code int, e forwarder.EnhancedCode, text string) forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Impossible, Stage: forwarder.StageData, Code: code, Enhanced: e, Text: text}
}

// try puts the message on a session. After errNotStarted nothing was stored.
func (d *Delivery) try(ctx context.Context, to string, nul bool) (forwarder.Outcome, error) {
	q, c := d.p.queue, d.c
	fail, err := q.Assign(ctx, c, false)
	switch {
	case err != nil:
		return forwarder.Outcome{}, err
	case fail != nil:
		return fail.Outcome(), nil
	}
	defer q.Return(c)
	s, began := c.Session, d.p.o.Now()
	o, err := s.append(ctx, &transaction{m: d.m, to: to, nul: nul, slot: c.Slot})
	if err == nil {
		took := d.p.o.Now().Sub(began)
		q.Answered(c, began, []forwarder.Outcome{o}, func(int) {
			s.proven = true
			d.p.window.onAccepted(took)
		})
	}
	return o, err
}

// Resend is Wait for another form of the message, such as a refused one that
// was wrapped, in the same place.
func (d *Delivery) Resend(ctx context.Context, m *forwarder.Message, begin func(ctx context.Context, at forwarder.Mark) error) ([]forwarder.Outcome, error) {
	d.m = m
	return d.Wait(ctx, begin)
}

// Done gives the message's place back, once its outcome is on disk. A message that was
// not waited for is not sent. Done may be called again.
func (d *Delivery) Done() { d.p.queue.Done(d.c) }

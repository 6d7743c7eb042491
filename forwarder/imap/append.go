package imap

import (
	"context"
	"fmt"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// transaction is one APPEND on its way through a session (RFC 9051 6.3.12).
//
// The message is a literal: its length comes first, and the server asks for it
// (a synchronising one), or need not (RFC 7888). A refusal instead of that request
// costs no upload, and means that nothing was stored. So a literal goes unasked only
// behind a message that the server took on the same session not long ago, and not
// if it is large.
//
// The next transaction writes as soon as this one has written, without the answer.
//
// Octets that the server does not take for the message it takes for commands, and
// the sender of the message wrote them. So after an answer that comes before its
// end, and after a body that could not be read to its end, nothing more is ever
// written on the session.
type transaction struct {
	s    *session
	m    *forwarder.Message
	to   string // the folder, as the server writes it
	nul  bool   // the message has a NUL
	slot *slot
	c    *wire.Command

	behind  bool // another one was not answered yet when this began
	started bool // the command was gathered
	sent    bool // the last octet may have been sent
	within  bool // nothing more may be written on the session, because it is within a literal
}

// maxUnasked is the size, in octets, up to which a message is sent without having
// been asked for.
const maxUnasked = 1 << 20

// append puts one message on the wire in its slot. The error is for a body that
// could not be read, for a ctx that was done before the command, and
// errNotStarted; nothing was stored then.
func (s *session) append(ctx context.Context, t *transaction) (forwarder.Outcome, error) {
	if err := t.slot.await(ctx); err != nil {
		return forwarder.Outcome{}, err
	}
	defer t.slot.passOn()
	switch {
	case ctx.Err() != nil:
		return forwarder.Outcome{}, context.Cause(ctx)
	case s.Over():
		return forwarder.Outcome{}, errNotStarted
	}
	t.s, t.behind = s, t.slot.place.Behind
	stop := context.AfterFunc(ctx, s.Abort)
	defer func() {
		if !stop() {
			s.End() // it is closed, or about to be
		}
	}()
	if err := t.write(); err != nil {
		return forwarder.Outcome{}, err
	}
	t.slot.passOn() // who comes next finds the session over if it may not write
	r, err := s.Await(t.c)
	if err != nil {
		return t.lost(ctx, err)
	}
	return t.answered(r)
}

// write writes the command and, when the server asks for it or need not, the
// message. The error is for a body that could not be read.
func (t *transaction) write() error {
	s, n := t.s, t.m.Size
	ask := n > maxUnasked || t.slot.place.Rested || !t.slot.proven || !s.caps().Unasked(n)
	t.c = &wire.Command{Wait: s.o.Timeout, Message: true, Asking: ask}
	line := t.line(ask)
	if s.Start(t.c, line, line) != nil {
		return nil //nolint:nilerr // the session has ended, as Await will say
	}
	t.started = true
	if ask {
		if s.Flush() != nil {
			return nil //nolint:nilerr // the same
		}
		if _, ok := s.Requested(t.c); !ok {
			return nil
		}
	}
	sent, source, err := s.Send(t.c, wire.Literal{Size: n, NUL: t.nul, Wait: s.o.LiteralTimeout}, t.m.Body())
	t.sent, t.within = sent, !sent && err != nil
	if source != nil {
		return fmt.Errorf("reading the message: %w", source)
	}
	return nil
}

// line is the command up to its literal.
func (t *transaction) line(ask bool) string {
	line := "APPEND " + wire.Quote(t.to) + " "
	if date := t.m.Date; !date.IsZero() && date.Year() >= 1970 {
		if now := t.s.o.Now(); date.After(now) {
			date = now
		}
		line += date.Format(`"_2-Jan-2006 15:04:05 -0700" `)
	}
	form := "{%d+}"
	if ask {
		form = "{%d}"
	}
	if t.nul {
		form = "~" + form // RFC 3516 4.4
	}
	return line + fmt.Sprintf(form, t.m.Size)
}

// answered is the outcome that the server's answer means.
func (t *transaction) answered(r *wire.Response) (forwarder.Outcome, error) {
	s := t.s
	if r.OK() {
		if t.m.Strays != forwarder.NoStrays {
			s.quirk.Disprove(noStrays)
		}
		return forwarder.Outcome{Kind: forwarder.Accepted, Stage: forwarder.StageDot, Code: 250, Enhanced: forwarder.EnhancedCode{2, 0, 0}, Text: s.Said(r), Translated: true}, nil
	}
	o := s.outcome(r, t.stage())
	if o.OutOfSync() {
		s.End() // the two ends may disagree about what was sent
		if t.behind && !t.within {
			s.quirk.Suspect(noPipelining)
			return o, errNotStarted
		}
	}
	if o.AboutStrays() && t.m.Strays != forwarder.NoStrays {
		s.quirk.Suspect(noStrays)
	}
	return o, nil
}

// lost is the outcome when the connection ended without an answer.
func (t *transaction) lost(ctx context.Context, err error) (forwarder.Outcome, error) {
	bye := t.s.Bye()
	early := t.stage() == forwarder.StageData
	switch {
	case t.sent:
		err = cause(ctx, err)
		if bye != nil {
			err = fmt.Errorf("%w, after the server said %s", err, t.s.Said(bye))
		}
		return forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: err}, nil
	case ctx.Err() != nil:
	case !t.started, early && wire.HungUp(err) && (t.slot.place.Idle || t.behind):
		return forwarder.Outcome{}, errNotStarted // it ended because of what was before
	case early && !wire.HungUp(err) && t.behind:
		t.s.quirk.Suspect(noPipelining) // it may have lost what came too early
		return forwarder.Outcome{}, errNotStarted
	case bye != nil:
		return t.s.outcome(bye, t.stage()), nil
	}
	return forwarder.Outcome{Kind: forwarder.Broken, Stage: t.stage(), Err: cause(ctx, err)}, nil //nolint:nilerr // it stands in the outcome
}

// stage is how far the transaction came.
func (t *transaction) stage() forwarder.Stage {
	switch {
	case t.sent:
		return forwarder.StageDot
	case t.within:
		return forwarder.StageBody
	default:
		return forwarder.StageData
	}
}

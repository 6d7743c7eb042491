package smtp

import (
	"context"

	"github.com/popferry/popferry/forwarder"
)

// command is one command of a transaction and what its reply is about.
type command struct {
	line  string
	stage forwarder.Stage // 0: RSET
	want  int             // the class of the reply if all is well
	scope []forwarder.Outcome
}

// envelope lists what goes before the message. It is asked for with the right
// to write.
func (t *transaction) envelope() []command {
	var cmds []command
	if t.turn.needsReset() {
		cmds = append(cmds, command{line: "RSET", want: 2})
	}
	cmds = append(cmds, command{t.s.offer.mailCommand(t.m), forwarder.StageMail, 2, t.out})
	for i, o := range t.out {
		if o.Kind == 0 {
			cmds = append(cmds, command{"RCPT TO:<" + o.Recipient + ">", forwarder.StageRcpt, 2, t.out[i : i+1]})
		}
	}
	if !t.bdat {
		cmds = append(cmds, command{"DATA", forwarder.StageData, 3, t.out})
	}
	return cmds
}

// talk reads the replies to the envelope. Where commands wait for replies it
// also sends them, but for those whose recipients have their outcome already.
// It tells whether the session can go on.
func (t *transaction) talk(ctx context.Context, cmds []command) bool {
	for _, c := range cmds {
		if !t.ahead {
			if c.stage != 0 && !open(c.scope) {
				continue
			}
			_ = t.s.send(c.line) // a failure shows in the missing reply
			_ = t.s.w.Flush()
		}
		r, err := t.s.next(t.wait)
		if err != nil {
			t.lose(ctx, max(c.stage, forwarder.StageMail), err)
			return false
		}
		t.heard = true
		if !t.hear(ctx, c, r) {
			return false
		}
	}
	return true
}

// hear settles the recipients that a reply puts an end to. If the message is on
// its way already, the replies are read to their end whatever they say, for
// they tell what becomes of it.
func (t *transaction) hear(ctx context.Context, c command, r reply) bool {
	switch {
	case c.stage == 0 && r.positive():
		return true
	case c.stage == 0 && r.closing() && t.early: // the message is out: what follows tells whether it means that
		t.s.closing, t.heard = &r, false
		t.s.over.Store(true)
		return true
	case c.stage == 0 && r.closing(): // before this message: it has had enough
		t.s.closing, t.untouched = &r, true
		t.s.end(errUntouched)
		return false
	case c.stage == 0 && !t.sent: // nothing was said about this message
		t.untouched = true
		t.s.end(r.unexpected())
		return false
	case c.stage == 0:
		t.lose(ctx, forwarder.StageMail, r.unexpected())
		return false
	case t.closed != nil: // it has ended the session, what follows tells nothing
		return true
	case t.bdat && r.positive() && t.s.signs.toMessage(r), c.stage == forwarder.StageData && r.positive():
		t.misplaced(ctx, c.stage, r)
		return false
	case r.code/100 == c.want && open(c.scope):
		if c.want == 2 {
			t.s.signs.noteEnvelope(r)
		}
		return true
	case r.closing():
		o := r.outcome(forwarder.Refused, c.stage)
		t.closed, t.s.closing = &o, &r
		return t.giveUp(ctx, c, o)
	case !open(c.scope): // it follows from an earlier refusal
		t.stray = r.code == 354
		return true
	case !r.refusal():
		t.lose(ctx, c.stage, r.unexpected())
		return false
	case r.outcome(forwarder.Refused, c.stage).OutOfSync():
		t.s.quirk.lockstep.Store(true)
		return t.giveUp(ctx, c, r.outcome(forwarder.Refused, c.stage))
	}
	settle(c.scope, r.outcome(forwarder.Refused, c.stage))
	return true
}

// giveUp ends the use of the session after a reply. If nothing of the message
// is on its way, it is over with all recipients.
func (t *transaction) giveUp(ctx context.Context, c command, o forwarder.Outcome) bool {
	t.s.over.Store(true)
	if t.early {
		if !t.hadEnough() {
			settle(c.scope, o)
		}
		return true
	}
	if t.hadEnough() {
		t.untouched = true
	} else {
		settle(t.out, o)
	}
	t.s.end(errUntouched)
	return false
}

// hadEnough tells whether the server ended the session at MAIL because of what
// was there before.
func (t *transaction) hadEnough() bool {
	return t.closed != nil && t.closed.Stage == forwarder.StageMail && !t.turn.first
}

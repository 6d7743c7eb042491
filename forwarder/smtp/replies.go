package smtp

import (
	"context"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// command is one command of a transaction and what its reply is about.
type command struct {
	line  string
	stage forwarder.Stage // 0: RSET
	want  int             // the class of the reply if all is well
	scope []forwarder.Outcome
}

// envelope lists the commands before the message. The caller has the right to
// write.
func (t *transaction) envelope() []command {
	var cmds []command
	if t.slot.rsetFirst() {
		cmds = append(cmds, command{line: "RSET", want: 2})
	}
	cmds = append(cmds, command{t.s.ext.mailCommand(t.m), forwarder.StageMail, 2, t.out})
	for i, o := range t.out {
		if o.Kind == 0 {
			cmds = append(cmds, command{rcptCommand(o.Recipient), forwarder.StageRcpt, 2, t.out[i : i+1]})
		}
	}
	if !t.bdat {
		cmds = append(cmds, command{"DATA", forwarder.StageData, 3, t.out})
	}
	return cmds
}

// readReplies reads the replies to the envelope. Without pipelining it also
// sends the commands, except where all recipients have their outcome already.
// It reports whether the session can go on.
func (t *transaction) readReplies(ctx context.Context, cmds []command) bool {
	for i, c := range cmds {
		wait := t.wait
		if i == 0 && t.behindDot {
			wait = min(wait, followerWait)
		}
		if !t.pipelined {
			if c.stage != 0 && !open(c.scope) {
				continue
			}
			_ = t.s.send(c.line) // a failure shows in the missing reply
			_ = t.s.w.Flush()
		}
		r, err := t.s.read(wait)
		if err != nil {
			t.lose(ctx, max(c.stage, forwarder.StageMail), err)
			return false
		}
		t.gotReply = c.stage != 0 || t.s.closing421 == nil
		if c.stage != 0 && !r.refusal() {
			t.s.closing421 = nil // the server goes on nevertheless
		}
		if !t.handleReply(ctx, c, r) {
			return false
		}
	}
	return true
}

// handleReply settles the recipients that a reply to c refuses, and reports
// whether to read on. If the message was sent with its envelope, all replies are
// read, whatever they say, because the last one decides about the message. The
// first case that fits counts.
func (t *transaction) handleReply(ctx context.Context, c command, r reply) bool {
	o := r.outcome(forwarder.Refused, c.stage)
	switch {
	case c.stage == 0 && r.positive():
		return true
	case c.stage == 0 && t.pipelinedBody && (r.closing() || r.refusal() && t.s.closing421 != nil):
		// The message was sent: the next reply shows whether 421 was meant. Exim refuses
		// RSET, too, if it comes ten times behind one, and hangs up.
		t.s.closing421, t.gotReply = &r, false
		t.s.over.Store(true)
		return true
	case c.stage == 0 && t.pipelinedBody && r.code == 554:
		t.onResetRefused(ctx, r)
		return false
	case c.stage == 0 && r.closing():
		t.s.closing421, t.notStarted = &r, true
		t.s.end(errNotStarted)
		return false
	case c.stage == 0 && !t.sent: // nothing was said about this message
		t.notStarted = true
		t.s.end(r.unexpected())
		return false
	case c.stage == 0:
		t.lose(ctx, forwarder.StageMail, r.unexpected())
		return false
	case t.closed421 != nil: // the session has ended, later replies mean nothing
		return true
	case t.bdat && r.positive() && t.s.signatures.ofMessage(r), c.stage == forwarder.StageData && r.positive():
		t.desync(ctx, c.stage, r)
		return false
	case r.code/100 == c.want && open(c.scope):
		if c.want == 2 {
			t.s.signatures.noteEnvelope(r)
		}
		return true
	case r.closing(), o.SessionSpent() && !t.slot.first:
		t.closed421 = &o
		if r.closing() { // else it has not said that it does nothing of what follows
			t.s.closing421 = &r
		}
		return t.endAfter(c, o)
	case !open(c.scope): // it follows from an earlier refusal
		t.data354AfterReject = r.code == 354
		return true
	case !r.refusal():
		t.lose(ctx, c.stage, r.unexpected())
		return false
	case o.OutOfSync():
		return t.onOutOfSync(c, o)
	}
	settle(c.scope, o)
	return true
}

// onResetRefused is for a message that was sent behind an RSET that the server refuses.
// If it hangs up then, it has done nothing of what follows: Exim does so at the tenth
// RSET behind messages that it has refused.
func (t *transaction) onResetRefused(ctx context.Context, r reply) {
	t.s.closing421, t.gotReply = &r, false
	_, err := t.s.read(closeReplyTimeout)
	if err == nil || !hungUp(err) {
		t.s.closing421, err = nil, r.unexpected()
	}
	t.lose(ctx, forwarder.StageMail, err)
}

// onOutOfSync is for a command that the server did not understand, or not at this
// point. That may come of what was sent before, so the message goes on another
// session with less at a time. It is the answer only if the command was the
// session's first, and waited for.
func (t *transaction) onOutOfSync(c command, o forwarder.Outcome) (readOn bool) {
	switch {
	case t.pipelinedBody: // the message was sent, and the replies that follow decide
		t.s.quirk.Suspect(noPipelining)
		return t.endAfter(c, o)
	case t.behindDot:
		t.retry(suspicion{noPipeliningBehindDot, o})
	case t.pipelined:
		t.retry(suspicion{noPipelining, o})
	case !t.slot.first:
		t.retry(suspicion{refusal: o})
	default:
		return t.endAfter(c, o)
	}
	return false
}

// endAfter lets the session end after a reply that refuses the message, and
// reports whether to read on. Unless the message was sent already, the outcome
// is that of all recipients.
func (t *transaction) endAfter(c command, o forwarder.Outcome) bool {
	t.s.over.Store(true)
	if t.pipelinedBody {
		if !t.closed421AtMail() {
			settle(c.scope, o)
		}
		return true
	}
	if t.closed421AtMail() {
		t.notStarted, t.suspicion = true, suspicion{refusal: o}
	} else {
		settle(t.out, o)
	}
	t.s.end(errNotStarted)
	return false
}

// closed421AtMail reports whether the server ended the session at MAIL, because
// of the transactions before.
func (t *transaction) closed421AtMail() bool {
	return t.closed421 != nil && t.closed421.Stage == forwarder.StageMail && !t.slot.first
}

// closeReplyTimeout is how long a server that cut the message short has to say
// why.
const closeReplyTimeout = time.Second

// readFinalReplies reads the replies to the whole message: one for all accepted
// recipients, in LMTP one for each in their order (RFC 2033 4.2).
func (t *transaction) readFinalReplies(ctx context.Context) {
	if !t.s.o.LMTP {
		t.readFinalReply(ctx, t.out)
		return
	}
	for i := range t.out {
		if open(t.out[i:i+1]) && !t.readFinalReply(ctx, t.out[i:i+1]) {
			return
		}
	}
}

// readFinalReply reads one reply to the message, which is for scope. If there is
// none, all open recipients stay in doubt. It reports whether to read on.
func (t *transaction) readFinalReply(ctx context.Context, scope []forwarder.Outcome) bool {
	stage, wait := forwarder.StageDot, t.s.o.DotTimeout
	if !t.sent {
		stage, wait = forwarder.StageBody, closeReplyTimeout
	}
	r, err := t.s.read(wait)
	if err == nil && r.positive() {
		t.s.closing421 = nil
	}
	switch {
	case err != nil:
		t.lose(ctx, stage, err)
		return false
	case r.positive() && (t.replyBeforeData || t.bdat && t.s.signatures.ofEnvelope(r)):
		t.desync(ctx, stage, r)
		return false
	case r.positive():
		t.s.signatures.noteMessage(r)
		t.s.tookBDAT = t.s.tookBDAT || t.slot.chunked
		t.answer.Final, t.answer.BDAT = time.Since(t.finishedAt), t.slot.chunked
		settle(scope, r.outcome(forwarder.Accepted, stage))
	case !r.refusal():
		t.lose(ctx, stage, r.unexpected())
		return false
	default:
		t.onFinalRefusal(scope, r, stage)
		return !t.notStarted
	}
	return true
}

// onFinalRefusal settles the recipients of scope that were still to get the
// message. If the server does not know BDAT after all, it goes by DATA on another
// session, if it may. The message goes on another session unchanged if the server has
// refused MAIL because of the transactions before, and then did not hang up: Exim says
// 503 to what was sent behind it.
func (t *transaction) onFinalRefusal(scope []forwarder.Outcome, r reply, stage forwarder.Stage) {
	t.slot.needsRset = true
	if t.closed421AtMail() {
		t.notStarted, t.suspicion = true, suspicion{refusal: *t.closed421}
		return
	}
	if t.slot.chunked && !t.s.tookBDAT && open(scope) && t.closed421 == nil && r.outcome(forwarder.Refused, forwarder.StageData).OutOfSync() {
		t.notStarted, t.suspicion = true, suspicion{noBDAT, r.outcome(forwarder.Refused, stage)}
		t.s.quirk.Suspect(noBDAT)
		t.s.over.Store(true)
		return
	}
	settle(scope, r.outcome(forwarder.Refused, stage))
	if r.closing() {
		// In LMTP, replies for the other recipients may still follow.
		t.s.closing421 = &r
		t.s.over.Store(true)
	}
}

// readCloseReply settles a message that the server did not take to its end. Some
// servers say why before they close the connection.
func (t *transaction) readCloseReply(ctx context.Context) {
	if ctx.Err() == nil {
		if r, err := t.s.read(closeReplyTimeout); err == nil && r.refusal() {
			settle(t.out, r.outcome(forwarder.Refused, forwarder.StageBody))
		}
	}
	t.lose(ctx, forwarder.StageBody, t.cut)
}

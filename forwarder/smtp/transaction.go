package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp/pace"
)

// transaction is one message on its way through a session (RFC 5321 3.3).
//
// It takes three forms, depending on what the server offers. Without PIPELINING
// each command waits for its reply. With it (RFC 2920), the envelope and DATA
// are sent together, right behind the final dot of the message before. With
// CHUNKING (RFC 3030) as well, the whole message is sent with its envelope, and
// nothing waits for anything; but a large one waits until a recipient is
// accepted.
//
// Replies to BDAT have the same codes as those to MAIL and RCPT. If a server
// answered one command twice, each later reply would be taken for another one,
// and a refusal for the acceptance of the message before. So BDAT is used only
// where the texts can be told apart (replySignatures). The first message of a
// session shows that: it is sent by DATA, whose 354 cannot be mistaken.
//
// A message with strays (forwarder.Strays) takes a fourth form: it never goes by
// DATA where the server may take them for its end, and by BDAT it goes alone, each
// command after the reply to the one before, and nothing behind it until it is
// answered. A server that drops octets before it counts them waits for more then,
// and there is nothing on the wire that it could take for them.
type transaction struct {
	s    *session
	slot *slot
	m    *forwarder.Message
	// out has an outcome for each recipient. Kind 0 is open: RCPT is still to be
	// sent, or was accepted.
	out []forwarder.Outcome

	pipelined     bool          // commands are sent without a wait for replies
	behindDot     bool          // right behind the final dot of another message
	bdat          bool          // the message is sent by BDAT
	alone         bool          // nothing is sent before the replies to what was sent, nor behind it
	pipelinedBody bool          // together with its envelope
	wait          time.Duration // for each reply except the final one

	sent       bool        // the message's last octet may have been sent
	cut        error       // the server did not take the message to its end
	finishedAt time.Time   // when the last octet was sent
	answer     pace.Answer // what it waited for

	gotReply           bool               // the server has said something to this transaction
	replyBeforeData    bool               // a reply came before the message was sent
	closed421          *forwarder.Outcome // the 421, or what amounts to it, that ended the session at the envelope
	data354AfterReject bool               // the server asks for a message that no recipient gets
	notStarted         bool               // the session ended before it got to this transaction
	suspicion          suspicion          // what that may have come from
}

// maxPipelinedBody is the size, in octets, up to which a message is sent before
// it is known whether any recipient is accepted.
const maxPipelinedBody = 1 << 20

// deliver puts one message on the wire in its slot. out comes from check and is
// filled in. took is zero if it was not accepted. The error is for a body that could
// not be read, for a ctx that was done before the first command, and a
// notStartedError; nothing was delivered then.
func (s *session) deliver(ctx context.Context, sl *slot, m *forwarder.Message, out []forwarder.Outcome) (took pace.Answer, err error) {
	err = sl.awaitWrite(ctx)
	switch {
	case err != nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case s.over.Load():
		err = &notStartedError{}
	case (sl.first || sl.place.Idle) && s.r.Buffered() > 0: // a reply to nothing: nobody knows what the next one is about
		s.over.Store(true)
		err = &notStartedError{}
	}
	if err != nil {
		sl.skip()
		return pace.Answer{}, err
	}
	t := &transaction{s: s, slot: sl, m: m, out: out, wait: s.o.Timeout}
	t.bdat = m.Strays == forwarder.FalseEnd || s.chunks() && s.signatures.distinguishable.Load()
	t.alone = t.bdat && m.Strays != forwarder.NoStrays
	t.pipelined = s.pipelines() && !t.alone
	if t.pipelined && sl.behindDot() {
		t.behindDot = !s.quirk.Has(noPipeliningBehindDot)
		t.pipelined = t.behindDot
	}
	// No message is put in doubt on a session that may have ended unnoticed.
	t.pipelinedBody = t.pipelined && t.bdat && !t.behindDot && !sl.place.Rested && m.Size <= maxPipelinedBody
	stop := context.AfterFunc(ctx, s.Abort)
	hadRead, err := t.run(ctx)
	if !stop() {
		s.over.Store(true) // it is closed, or about to be
	}
	if hadRead {
		sl.done()
	} else {
		sl.skip()
	}
	if err == nil && t.notStarted {
		err = &notStartedError{t.suspicion}
	}
	return t.answer, err
}

// run goes through the transaction. hadRead reports whether it got the right to
// read.
func (t *transaction) run(ctx context.Context) (hadRead bool, err error) {
	var cmds []command
	began := time.Now()
	if t.pipelined {
		cmds, t.answer.Shared = t.envelope(), t.slot.queued()
		err = t.writeAhead(cmds)
	}
	if stopped := t.slot.awaitRead(ctx); stopped != nil {
		t.s.over.Store(true)
		t.settleLost(ctx, forwarder.StageMail, stopped)
		return false, nil
	}
	switch {
	case err != nil:
		t.s.end(err)
		return true, err
	case t.s.lost != nil:
		t.failQueued()
		return true, nil //nolint:nilerr // it stands in the outcomes
	case t.alone && !t.s.signatures.mayDiffer() && !t.avoidBDAT():
		return true, nil
	}
	if !t.pipelined {
		cmds, began = t.envelope(), time.Now() // not before it is known how the one in front of it ended
	}
	if !t.readReplies(ctx, cmds) {
		return true, nil
	}
	if !t.pipelinedBody {
		t.answer.Envelope = time.Since(began)
		if err := t.writeBody(ctx); err != nil || !t.sent {
			return true, err
		}
	}
	t.readFinalReplies(ctx)
	return true, nil
}

// avoidBDAT is for a session in which replies to BDAT cannot be told from others. It
// reports whether the message may go by DATA, and settles it if not.
func (t *transaction) avoidBDAT() bool {
	t.bdat, t.alone = false, false
	if t.m.Strays != forwarder.FalseEnd {
		return true
	}
	settle(t.out, falseEnd("this server's replies to it cannot be told from others"))
	t.slot.needsRset = t.slot.rsetFirst() // as the one in front of it left it
	return false
}

// writeAhead writes everything that is sent before a reply is read.
func (t *transaction) writeAhead(cmds []command) error {
	for _, c := range cmds {
		_ = t.s.send(c.line) // a failure shows again when the buffer is flushed
	}
	if !t.pipelinedBody {
		_ = t.s.w.Flush() // and in the missing replies
		return nil
	}
	err := t.writeChunk()
	if err != nil || t.cut != nil {
		t.s.over.Store(true)
	}
	t.slot.releaseWrite()
	return err
}

// writeBody writes the message after the replies to its envelope, if a recipient
// was accepted. Then the next transaction may write, unless this one goes alone.
func (t *transaction) writeBody(ctx context.Context) error {
	if !t.alone {
		defer t.slot.releaseWrite()
	}
	if !open(t.out) {
		t.slot.needsRset = true
		if t.data354AfterReject {
			t.sendEmptyBody(ctx)
		}
		return nil
	}
	t.replyBeforeData = t.s.r.Buffered() > 0 // with all commands answered
	write := t.writeData
	if t.bdat {
		write = t.writeChunk
	}
	err := write()
	switch {
	case err != nil:
		t.s.end(err)
	case t.cut != nil && !t.sent:
		t.readCloseReply(ctx)
	}
	return err
}

// followerWait is how long a server has for its first reply to an envelope that
// was sent right behind a final dot, once that dot is answered. The commands are
// there then, however long the way is, unless the server has lost them.
const followerWait = 10 * time.Second

// lose ends the session because nothing can be read any more, and settles the
// open recipients.
func (t *transaction) lose(ctx context.Context, stage forwarder.Stage, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) && stage < forwarder.StageBody && t.pipelined {
		if t.behindDot && !t.gotReply {
			t.retry(suspicion{fact: noPipeliningBehindDot})
			return
		}
		t.s.quirk.Suspect(noPipelining) // it may have lost what came too early
	}
	t.s.end(err)
	t.settleLost(ctx, stage, err)
}

// retry ends the session before this transaction has begun, as far as its message
// is concerned: it goes on another session, without what is suspected.
func (t *transaction) retry(why suspicion) {
	t.notStarted, t.suspicion = true, why
	if why.fact != nil {
		t.s.quirk.Suspect(why.fact)
	}
	t.s.end(errNotStarted)
}

// settleLost says what the loss of the connection means for the open recipients.
// The first case that fits counts.
func (t *transaction) settleLost(ctx context.Context, stage forwarder.Stage, err error) {
	ended := ctx.Err() == nil && hungUp(err)
	switch {
	case ended && t.closed421AtMail():
		t.notStarted, t.suspicion = true, suspicion{refusal: *t.closed421}
	case t.closed421 != nil:
		settle(t.out, *t.closed421)
	case ended && !t.gotReply && (t.s.closedAfter421(err) || !t.slot.first && !t.sent):
		t.notStarted = true
	case t.sent:
		settle(t.out, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: cause(ctx, err)})
	case t.cut != nil:
		settle(t.out, forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageBody, Err: cause(ctx, t.cut)})
	default:
		settle(t.out, forwarder.Outcome{Kind: forwarder.Broken, Stage: stage, Err: cause(ctx, err)})
	}
}

// failQueued settles a transaction that finds the connection lost when its turn
// to read comes. A server that said 421 and hung up has not done what was sent
// behind it: it closes the channel then, and takes commands in their order
// (RFC 5321 3.8, RFC 2920 3.2).
func (t *transaction) failQueued() {
	if t.sent && !t.s.closedAfter421(t.s.lost) {
		settle(t.out, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: t.s.lost})
		return
	}
	t.notStarted = true
}

// hungUp reports whether the connection was lost because it was closed. After
// silence or nonsense the server may still be doing what it was told.
func hungUp(err error) bool {
	return !errors.Is(err, ErrProtocol) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// closedAfter421 reports whether the server said 421 and then hung up. If we
// closed the connection because a ctx was done, nobody knows what the server did
// next.
func (s *session) closedAfter421(err error) bool {
	ours := errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
	return s.closing421 != nil && hungUp(err) && !ours
}

// cause is why the connection failed: ctx if that closed it, or else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// settle gives the open recipients of scope their outcome.
func settle(scope []forwarder.Outcome, o forwarder.Outcome) {
	for i := range scope {
		if scope[i].Kind == 0 {
			o.Recipient = scope[i].Recipient
			scope[i] = o
		}
	}
}

// open reports whether a recipient of scope has no outcome yet.
func open(scope []forwarder.Outcome) bool {
	for _, o := range scope {
		if o.Kind == 0 {
			return true
		}
	}
	return false
}

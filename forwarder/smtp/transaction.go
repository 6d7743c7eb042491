package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// transaction is one message on its way through a session (RFC 5321 3.3).
//
// It takes three forms, by what the server offers. Without PIPELINING each
// command waits for its reply. With it (RFC 2920), the envelope and DATA go out
// together, right behind the final dot of the message before. With CHUNKING
// (RFC 3030) as well, the whole message goes out with its envelope, and nothing
// waits for anything; but a large one waits until somebody wants it.
//
// Replies to BDAT can't be told from those to MAIL or RCPT by their codes. A
// server that answered one command twice would have each later reply taken for
// another, and a refusal for the acceptance of the message before. So BDAT is
// spoken only where the texts tell (signs), which the first message of a session
// shows: it goes out by DATA, whose 354 has only one place.
type transaction struct {
	s    *session
	turn *turn
	m    *forwarder.Message
	// out has an outcome for each recipient. Those with Kind 0 are open: to be
	// said at RCPT, or accepted there.
	out []forwarder.Outcome

	ahead bool          // commands go out without a wait for replies
	bdat  bool          // the message goes out by BDAT
	early bool          // and with its envelope
	sent  bool          // its last octet may have gone out
	hasty bool          // a reply lay there before the message went out
	wait  time.Duration // for each reply but that to the message
	cut   error         // the server did not take the message to its end

	heard     bool               // the server has said something to it
	closed    *forwarder.Outcome // the server ended the session at the envelope
	stray     bool               // it wants a message that is for nobody
	untouched bool               // the session ended before it came to this
	written   time.Time          // when the last octet went out
	took      time.Duration      // until that was answered
}

// earlySize is the size up to which a message goes out before it is known
// whether anybody takes it.
const earlySize = 1 << 20

// deliver puts one message on the wire, in its turn. out comes from fit and is
// filled in; took is how long the answer to the last octet took, 0 if there was
// none. The error is for a body that could not be read, for a ctx that was done
// before the first command, and errUntouched; nothing was delivered then.
func (s *session) deliver(ctx context.Context, turn *turn, m *forwarder.Message, out []forwarder.Outcome) (took time.Duration, err error) {
	err = turn.toWrite(ctx)
	switch {
	case err != nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case s.over.Load():
		err = errUntouched
	case (turn.first || turn.idle) && s.r.Buffered() > 0: // a reply to nothing: who knows what the next is about
		s.over.Store(true)
		err = errUntouched
	}
	if err != nil {
		turn.pass()
		return 0, err
	}
	t := &transaction{s: s, turn: turn, m: m, out: out, wait: s.o.Timeout}
	t.ahead, t.bdat = s.pipelines(), s.chunks() && s.signs.tell.Load()
	// What has rested may have ended unnoticed: nothing is risked on it.
	t.early = t.ahead && t.bdat && !turn.rested && m.Size <= earlySize
	stop := context.AfterFunc(ctx, s.abort)
	mine, err := t.run(ctx)
	if !stop() {
		s.over.Store(true) // it is closed, or about to be
	}
	if mine {
		turn.done()
	} else {
		turn.pass()
	}
	if err == nil && t.untouched {
		err = errUntouched
	}
	return t.took, err
}

// run goes through the transaction. mine tells that it had the right to read.
func (t *transaction) run(ctx context.Context) (mine bool, err error) {
	cmds := t.envelope()
	if t.ahead {
		err = t.write(cmds)
	}
	if stopped := t.turn.toRead(ctx); stopped != nil {
		t.s.over.Store(true)
		t.settleLost(ctx, forwarder.StageMail, stopped)
		return false, nil
	}
	switch {
	case err != nil:
		t.s.end(err)
		return true, err
	case t.s.lost != nil:
		t.victim()
		return true, nil //nolint:nilerr // it stands in the outcomes
	}
	if !t.talk(ctx, cmds) {
		return true, nil
	}
	if !t.early {
		if err := t.late(ctx); err != nil || !t.sent {
			return true, err
		}
	}
	t.replies(ctx)
	return true, nil
}

// write writes what goes out before any reply is read.
func (t *transaction) write(cmds []command) error {
	for _, c := range cmds {
		_ = t.s.send(c.line) // a failure shows again when all is written out
	}
	if !t.early {
		_ = t.s.w.Flush() // and where the replies are missing
		return nil
	}
	err := t.chunk()
	if err != nil || t.cut != nil {
		t.s.over.Store(true)
	}
	t.turn.wrote()
	return err
}

// late writes the message after its envelope was answered, if anybody wants it.
// Then the next transaction may write.
func (t *transaction) late(ctx context.Context) error {
	defer t.turn.wrote()
	if !open(t.out) {
		t.turn.dirty = true
		if t.stray {
			t.nothing(ctx)
		}
		return nil
	}
	t.hasty = t.s.r.Buffered() > 0 // with all commands answered
	write := t.data
	if t.bdat {
		write = t.chunk
	}
	err := write()
	switch {
	case err != nil:
		t.s.end(err)
	case t.cut != nil && !t.sent:
		t.lastWords(ctx)
	}
	return err
}

// victim settles a transaction that comes to read when another one has lost the
// connection already. A server that said 421 and hung up has done nothing that
// it was told behind it: it closes the channel with it, and takes commands in
// their order (RFC 5321 section 3.8, RFC 2920 section 3.2).
func (t *transaction) victim() {
	if t.sent && !t.s.gaveUp(t.s.lost) {
		settle(t.out, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: t.s.lost})
		return
	}
	t.untouched = true
}

// lose notes that nothing can be read any more, and settles what is open.
func (t *transaction) lose(ctx context.Context, stage forwarder.Stage, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) && stage < forwarder.StageBody {
		t.s.quirk.lockstep.Store(true) // maybe it lost what came too early
	}
	t.s.end(err)
	t.settleLost(ctx, stage, err)
}

// settleLost says what the loss of the connection means for those who are open.
func (t *transaction) settleLost(ctx context.Context, stage forwarder.Stage, err error) {
	ended := ctx.Err() == nil && hungUp(err)
	switch {
	case ended && t.hadEnough():
		t.untouched = true
	case t.closed != nil:
		settle(t.out, *t.closed)
	case ended && !t.heard && (t.s.gaveUp(err) || !t.turn.first && !t.sent):
		t.untouched = true
	case t.sent:
		settle(t.out, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: cause(ctx, err)})
	case t.cut != nil:
		settle(t.out, forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageBody, Err: cause(ctx, t.cut)})
	default:
		settle(t.out, forwarder.Outcome{Kind: forwarder.Broken, Stage: stage, Err: cause(ctx, err)})
	}
}

// hungUp tells whether a connection was lost because it was closed: not to
// silence or nonsense, in which the server may be doing as it was told.
func hungUp(err error) bool {
	return !errors.Is(err, ErrProtocol) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// gaveUp tells that the server said 421 and then hung up. Where we did, because
// somebody's ctx was done, nobody knows what it went on to do.
func (s *session) gaveUp(err error) bool {
	ours := errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
	return s.closing != nil && hungUp(err) && !ours
}

// next reads the next reply of a transaction. One that comes behind a 421 shows
// that the server goes on, whatever it said.
func (s *session) next(wait time.Duration) (reply, error) {
	r, err := s.read(wait)
	if err == nil {
		s.closing = nil
	}
	return r, err
}

// end closes the session's connection because of err. It takes the right to
// read.
func (s *session) end(err error) {
	s.over.Store(true)
	if s.lost == nil {
		s.lost = err
	}
	s.abort()
}

// cause is why the connection failed: ctx, if that closed it, or else err.
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

// open tells whether a recipient of scope is open.
func open(scope []forwarder.Outcome) bool {
	for _, o := range scope {
		if o.Kind == 0 {
			return true
		}
	}
	return false
}

package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// lastWords is how long a server that cut the message short has to have said
// why.
const lastWords = time.Second

// data writes the message behind a 354, and the final dot. The error is for a
// body that could not be read or has not the size that was announced: it never
// gets its dot.
func (t *transaction) data() error {
	d := newDotWriter(t.s.w)
	_, err := io.Copy(d, t.m.Body())
	if err := t.readError(err, d.err, d.n); err != nil || d.err != nil {
		t.cut = d.err
		return err
	}
	t.sent, t.cut = d.end()
	t.written = time.Now()
	return nil
}

// chunk writes the message as one BDAT (RFC 3030 section 2). The error is for a
// body that could not be read or has not the size that was announced: the
// server still waits for octets then.
func (t *transaction) chunk() error {
	t.turn.chunked = true
	_ = t.s.send(fmt.Sprintf("BDAT %d LAST", t.m.Size)) // a failure shows below
	w := &exactly{w: t.s.w, left: t.m.Size}
	_, err := io.Copy(w, t.m.Body())
	if err := t.readError(err, w.err, t.m.Size-w.left); err != nil || w.err != nil {
		t.cut = w.err
		return err
	}
	t.cut = t.s.w.Flush()
	t.sent = t.cut == nil || t.s.w.Buffered() == 0
	t.written = time.Now()
	return nil
}

// readError is why the message could not be copied, if that is our own fault:
// not the connection's, whose error is write.
func (t *transaction) readError(err, write error, n int64) error {
	switch {
	case write != nil:
		return nil //nolint:nilerr // that one is told apart here
	case err != nil:
		return fmt.Errorf("reading the message: %w", err)
	case n != t.m.Size:
		return fmt.Errorf("reading the message: %d octets where there should be %d", n, t.m.Size)
	}
	return nil
}

// errTooLong tells that a message goes on behind the size that was announced.
var errTooLong = errors.New("it is longer than announced")

// exactly passes on no more than so many octets, for what lies behind a chunk
// is taken for a command. It keeps the first failure to write, so that it can
// be told from one of the message's source.
type exactly struct {
	w    io.Writer
	left int64
	err  error
}

func (e *exactly) Write(p []byte) (int, error) {
	if int64(len(p)) > e.left {
		return 0, errTooLong
	}
	n, err := e.w.Write(p)
	e.left -= int64(n)
	if e.err == nil {
		e.err = err
	}
	return n, err
}

// nothing ends a message that the server asks for though nobody gets it
// (RFC 2920 section 3.1).
func (t *transaction) nothing(ctx context.Context) {
	_ = t.s.send(".") // a failure shows in the next line
	if _, err := t.s.reply(t.s.o.DotTimeout); err != nil {
		t.lose(ctx, forwarder.StageDot, err)
	}
}

// lastWords settles a message that the server did not take to its end. Some
// say why before they close the connection.
func (t *transaction) lastWords(ctx context.Context) {
	if ctx.Err() == nil {
		if r, err := t.s.read(lastWords); err == nil && r.refusal() {
			settle(t.out, r.outcome(forwarder.Refused, forwarder.StageBody))
		}
	}
	t.lose(ctx, forwarder.StageBody, t.cut)
}

// replies reads what the server says to the whole message: one reply for all
// accepted recipients, in LMTP one for each in their order (RFC 2033 4.2).
func (t *transaction) replies(ctx context.Context) {
	if !t.s.o.LMTP {
		t.final(ctx, t.out)
		return
	}
	for i := range t.out {
		if open(t.out[i:i+1]) && !t.final(ctx, t.out[i:i+1]) {
			return
		}
	}
}

// final reads one reply to the message. It speaks for scope; if there is none,
// all who are open stay in doubt.
func (t *transaction) final(ctx context.Context, scope []forwarder.Outcome) bool {
	stage, wait := forwarder.StageDot, t.s.o.DotTimeout
	if !t.sent {
		stage, wait = forwarder.StageBody, lastWords
	}
	r, err := t.s.next(wait)
	switch {
	case err != nil:
		t.lose(ctx, stage, err)
		return false
	case r.positive() && (t.hasty || t.bdat && t.s.signs.toEnvelope(r)):
		t.misplaced(ctx, stage, r)
		return false
	case r.positive():
		t.s.signs.noteMessage(r)
		t.took = time.Since(t.written)
		settle(scope, r.outcome(forwarder.Accepted, stage))
	case !r.refusal():
		t.lose(ctx, stage, r.unexpected())
		return false
	default:
		if t.turn.chunked {
			t.turn.dirty = true
		}
		t.refused(r, scope, stage)
	}
	return true
}

// refused settles those of scope who were still to get the message.
func (t *transaction) refused(r reply, scope []forwarder.Outcome, stage forwarder.Stage) {
	waited := open(scope)
	o := r.outcome(forwarder.Refused, stage)
	settle(scope, o)
	if r.closing() {
		// In LMTP replies for the others may still follow.
		t.s.closing = &r
		t.s.over.Store(true)
	}
	if o.OutOfSync() && waited && t.closed == nil {
		t.s.quirk.noBDAT.Store(t.s.quirk.noBDAT.Load() || t.turn.chunked)
		t.s.quirk.lockstep.Store(true)
		t.s.over.Store(true)
	}
}

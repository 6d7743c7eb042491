package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// lastWords is how long a server that cut the body short has to have said why.
const lastWords = time.Second

// transaction is one message on its way through a session (RFC 5321 3.3).
type transaction struct {
	s *session
	m *forwarder.Message
	// out has an outcome for each recipient. Those with Kind 0 are open: to be
	// said at RCPT, or accepted there.
	out []forwarder.Outcome
	// whole tells that every reply was read and leaves the session between two
	// commands. Once it is false nothing more is written.
	whole bool
	// ended tells that the server ended the session, by 421 or by closing the
	// connection.
	ended bool
}

// deliver puts one message on the wire. out comes from fit and is filled in.
// The error is for a body that could not be read, for a ctx that was done
// before the first command, and errStale; nothing was delivered then.
//
// The session is clean afterwards if it can take another message; otherwise its
// connection is closed.
func (s *session) deliver(ctx context.Context, m *forwarder.Message, out []forwarder.Outcome) error {
	t := &transaction{s: s, m: m, out: out, whole: true}
	stop := context.AfterFunc(ctx, s.abort)
	s.clean = false
	defer func() {
		// A ctx that is done by now closes the connection under whoever is next.
		if s.clean = stop() && t.whole; !s.clean {
			s.abort()
		}
	}()
	return t.run(ctx)
}

// run goes through the transaction once. A command all of whose recipients
// have their outcome already is left out, so that the rest falls through.
func (t *transaction) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.ask(ctx, forwarder.StageMail, 2, t.s.offer.mailCommand(t.m), t.out)
	if t.ended && !t.s.since.IsZero() && ctx.Err() == nil {
		return errStale
	}
	for i, o := range t.out {
		t.ask(ctx, forwarder.StageRcpt, 2, "RCPT TO:<"+o.Recipient+">", t.out[i:i+1])
	}
	t.ask(ctx, forwarder.StageData, 3, "DATA", t.out)
	if !open(t.out) {
		t.reset()
		return nil
	}
	if sent, err := t.body(ctx); err != nil || !sent {
		return err
	}
	t.replies(ctx)
	return nil
}

// ask sends one command for the recipients of scope and settles those that its
// reply, of the class want if all is well, puts an end to.
func (t *transaction) ask(ctx context.Context, stage forwarder.Stage, want int, line string, scope []forwarder.Outcome) {
	if !open(scope) {
		return
	}
	r, err := t.s.command(line)
	switch {
	case err != nil:
		t.ended = !errors.Is(err, ErrProtocol) && !errors.Is(err, os.ErrDeadlineExceeded)
		t.fail(t.out, forwarder.Outcome{Kind: forwarder.Broken, Stage: stage, Err: cause(ctx, err)})
	case r.code/100 == want:
	case !r.refusal():
		t.fail(t.out, forwarder.Outcome{Kind: forwarder.Broken, Stage: stage, Err: r.unexpected()})
	case r.closing() || r.outOfStep():
		t.ended = r.closing()
		t.fail(t.out, r.outcome(forwarder.Refused, stage))
	default:
		settle(scope, r.outcome(forwarder.Refused, stage))
	}
}

// body writes the message and the final dot. sent tells that replies are to
// come. The error is for a body that could not be read or has not the size
// that was announced: it never gets its dot.
func (t *transaction) body(ctx context.Context) (sent bool, err error) {
	d := newDotWriter(t.s.w)
	_, err = io.Copy(d, t.m.Body())
	switch {
	case d.err != nil:
		t.cut(ctx, d.err)
		return false, nil //nolint:nilerr // the connection's fault: it stands in the outcomes
	case err != nil:
		t.whole = false
		return false, fmt.Errorf("reading the message: %w", err)
	case d.n != t.m.Size:
		t.whole = false
		return false, fmt.Errorf("reading the message: %d octets where there should be %d", d.n, t.m.Size)
	}
	sent, err = d.end()
	switch {
	case err != nil && sent:
		t.fail(t.out, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: forwarder.StageDot, Err: cause(ctx, err)})
		return false, nil
	case err != nil:
		t.cut(ctx, err)
		return false, nil
	}
	return true, nil
}

// cut settles a message whose body the server did not take to its end. Some
// say why before they close the connection.
func (t *transaction) cut(ctx context.Context, err error) {
	o := forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageBody, Err: cause(ctx, err)}
	if ctx.Err() == nil {
		if r, err := t.s.read(lastWords); err == nil && r.refusal() {
			o = r.outcome(forwarder.Refused, forwarder.StageBody)
		}
	}
	t.fail(t.out, o)
}

// replies reads what the server says to the whole message: one reply for all
// accepted recipients, in LMTP one for each in their order (RFC 2033 4.2).
func (t *transaction) replies(ctx context.Context) {
	if !t.s.o.LMTP {
		t.final(ctx, t.out, t.out)
		return
	}
	for i := range t.out {
		if open(t.out[i : i+1]) {
			t.final(ctx, t.out[i:i+1], t.out[i:])
		}
	}
}

// final reads one reply to the final dot. It speaks for scope; if there is
// none, rest stays in doubt.
func (t *transaction) final(ctx context.Context, scope, rest []forwarder.Outcome) {
	const stage = forwarder.StageDot
	r, err := t.s.reply(t.s.o.DotTimeout)
	switch {
	case err != nil:
		t.fail(rest, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: stage, Err: cause(ctx, err)})
	case r.positive():
		settle(scope, r.outcome(forwarder.Accepted, stage))
	case !r.refusal():
		t.fail(rest, forwarder.Outcome{Kind: forwarder.InDoubt, Stage: stage, Err: r.unexpected()})
	default:
		settle(scope, r.outcome(forwarder.Refused, stage))
		// In LMTP replies for the others may still follow, even a 421.
		t.whole = t.whole && !r.closing() && !r.outOfStep()
	}
}

// reset ends a transaction that came to nothing (RFC 5321 4.1.1.5).
func (t *transaction) reset() {
	if t.whole {
		r, err := t.s.command("RSET")
		t.whole = err == nil && r.positive()
	}
}

// fail settles scope and gives the session up.
func (t *transaction) fail(scope []forwarder.Outcome, o forwarder.Outcome) {
	t.whole = false
	settle(scope, o)
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

// cause is why the connection failed: ctx, if that closed it, or else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

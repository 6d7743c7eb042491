package fetcher

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// Reject is what becomes of a message that its destination refuses for good.
type Reject uint8

// The ways. Hold leaves it on its server for a person to decide.
const (
	Hold Reject = iota
	// Wrap sends it once more, as an attachment under a short explanation.
	Wrap
	// Quarantine puts it into a folder.
	Quarantine
)

// Quarantiner puts messages aside.
type Quarantiner interface {
	// Store has a message on disk when it returns nil, and once only however
	// often it is called with one name. It returns the path.
	Store(ctx context.Context, name string, r io.Reader) (path string, err error)
}

// reject does with refused messages what on_reject says. Its error is a fault
// of our own.
func (r *run) reject(ctx context.Context, t *transaction, v outcome.Verdict) (outcome.Verdict, error) {
	d := r.a.Destination
	if d.OnReject == Hold || v.Fault != nil || !outcome.RefusesMessage(v.Outcome, t.env) {
		return v, nil //nolint:nilerr // Fault is the destination's, not ours
	}
	refused := v.Refused()
	switch {
	case len(refused) == 0 || d.OnReject == Wrap && (v.Outcome.TooLarge() || v.Outcome.MailboxFull()): // wrapped it is larger still
		return v, nil
	case d.OnReject == Wrap:
		return r.wrap(ctx, t, v, refused), nil
	default:
		return r.quarantine(ctx, t, v, refused)
	}
}

// wrap sends a refused message as an attachment, from our own address. It
// gives no error: by then the refusal is on disk, and an own fault leaves it
// there, to be tried again.
func (r *run) wrap(ctx context.Context, t *transaction, v outcome.Verdict, to []string) outcome.Verdict {
	wrapped, err := r.attachment(t, v, to)
	if err != nil {
		r.log.Warn("refused message cannot be wrapped, and is held", "uid", shown(t.rec.UID), "error", err)
		return v
	}
	v = v.Deferred(t.clock)
	if err := r.interim(ctx, t, v); err != nil {
		r.stop(err, true)
		return v
	}
	t.land() // or two would wait for each other's place
	t.settled = make(chan struct{})
	wrapped.Settled = t.settled
	outs, err := r.a.Destination.Forwarder.Deliver(ctx, wrapped, func(ctx context.Context) error {
		outcome.Intend(t.rec, t.before.Recipients, to, t.clock)
		return r.lease.Put(ctx, t.rec)
	})
	if err != nil {
		r.stop(err, true)
		return v
	}
	return v.Wrapped(outcome.Evaluate(outs, outcome.Envelope{}, t.before.Recipients, t.clock))
}

// attachment is the refused message as it is sent once more.
func (r *run) attachment(t *transaction, v outcome.Verdict, to []string) (*forwarder.Message, error) {
	d := r.a.Destination
	from := d.Sender
	if from == "" {
		from = d.Recipients[0]
	}
	original := *t.message(r.a)
	original.Recipients = to
	return forwarder.Wrap(&original, forwarder.Explanation{
		From: from, To: d.Recipients, Subject: t.Header.Excerpt().Subject, Reply: v.Outcome.Reply(),
		Account: r.a.Name, Trace: t.rec.Trace, Date: t.rec.FirstAttempt, Top: r.a.origin().TraceLines(t.rec.Trace, t.rec.FirstAttempt),
	})
}

// interim writes down how a message stands between its two transactions: who
// has it, and that it is due for the others. Only so may its place be given
// back: it is in flight no more, and a crash leaves nobody in doubt.
func (r *run) interim(ctx context.Context, t *transaction, v outcome.Verdict) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	outcome.Conclude(t.rec, t.before.Recipients, v, t.clock, r.Describe)
	if err := r.lease.Put(ctx, t.rec); err != nil {
		return fmt.Errorf("writing down the refusal of a message: %w", err)
	}
	failpoint("refused")
	return nil
}

// quarantine puts a refused message, as it would have been sent, into the
// folder for it. From then on it counts as settled.
func (r *run) quarantine(ctx context.Context, t *transaction, v outcome.Verdict, refused []string) (outcome.Verdict, error) {
	head := r.a.origin().TraceLines(t.rec.Trace, t.rec.FirstAttempt)
	path, err := r.a.Destination.Quarantine.Store(ctx, t.rec.Trace, io.MultiReader(bytes.NewReader(head), t.Item.Reader()))
	if err != nil {
		return v, err
	}
	r.log.Warn("refused message put into quarantine", "uid", shown(t.rec.UID), "path", path, "reply", v.Outcome.Reply())
	v.Quarantine(path, refused)
	return v, nil
}

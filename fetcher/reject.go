package fetcher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
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
func (r *run) reject(ctx context.Context, t *transaction, v verdict) (verdict, error) {
	d := r.a.Destination
	if d.OnReject == Hold || v.Undo || v.Blocked != nil || !refusesMessage(v.Outcome, t.env) {
		return v, nil //nolint:nilerr // Blocked is the destination's fault, not ours
	}
	var refused []string
	for _, rc := range v.Recipients {
		if rc.State == ledger.Held {
			refused = append(refused, rc.Address)
		}
	}
	switch {
	case len(refused) == 0 || d.OnReject == Wrap && (v.Outcome.TooLarge() || v.Outcome.MailboxFull()): // wrapped it is larger still
		return v, nil
	case d.OnReject == Wrap:
		return r.wrap(ctx, t, v, refused), nil
	default:
		return r.quarantine(ctx, t, v, refused)
	}
}

// refusesMessage tells whether an outcome is about the message and not about
// one of our recipients, for whom another form of it would be no better.
func refusesMessage(o forwarder.Outcome, e envelope) bool {
	switch {
	case o.Kind == forwarder.Impossible:
		return !o.AboutAddress()
	case o.Kind != forwarder.Refused:
		return false
	case o.Stage == forwarder.StageMail || o.Stage == forwarder.StageRcpt:
		return o.AboutContent() || e.OwnSender && o.AboutSender()
	default:
		return true
	}
}

// wrap sends a refused message as an attachment, from our own address. It
// gives no error: by then the refusal is on disk, and an own fault leaves it
// there, to be tried again.
func (r *run) wrap(ctx context.Context, t *transaction, v verdict, to []string) verdict {
	wrapped, err := r.attachment(t, v, to)
	if err != nil {
		r.log.Warn("refused message cannot be wrapped, and is held", "uid", shown(t.rec.UID), "error", err)
		return v
	}
	v = v.later(t.clock)
	if err := r.interim(ctx, t, v); err != nil {
		r.stop(err, true)
		return v
	}
	t.land() // or two would wait for each other's place
	t.settled = make(chan struct{})
	wrapped.Settled = t.settled
	outs, err := r.a.Destination.Forwarder.Deliver(ctx, wrapped, func(ctx context.Context) error {
		return r.lease.Put(ctx, t.intent(to))
	})
	if err != nil {
		r.stop(err, true)
		return v
	}
	w := settle(outs, envelope{}, t.before.Recipients, t.clock)
	for i, rc := range w.Recipients {
		if rc.State == ledger.Forwarded {
			w.Recipients[i].Text = "sent as an attachment, after: " + v.Outcome.Reply()
		}
	}
	if slices.ContainsFunc(w.Recipients, func(rc ledger.Recipient) bool { return rc.State != ledger.Forwarded }) {
		v.Outcome = w.Outcome // what is in the way now
	}
	v.Recipients = replaced(v.Recipients, w.Recipients)
	v.Blocked, v.Broke, v.Doubt = w.Blocked, v.Broke || w.Broke, v.Doubt || w.Doubt
	return v
}

// attachment is the refused message as it is sent once more.
func (r *run) attachment(t *transaction, v verdict, to []string) (*forwarder.Message, error) {
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
func (r *run) interim(ctx context.Context, t *transaction, v verdict) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	t.conclude(r.Describe, v)
	if err := r.lease.Put(ctx, t.rec); err != nil {
		return fmt.Errorf("writing down the refusal of a message: %w", err)
	}
	failpoint("refused")
	return nil
}

// quarantine puts a refused message, as it would have been sent, into the
// folder for it. From then on it counts as settled.
func (r *run) quarantine(ctx context.Context, t *transaction, v verdict, refused []string) (verdict, error) {
	head := r.a.origin().TraceLines(t.rec.Trace, t.rec.FirstAttempt)
	path, err := r.a.Destination.Quarantine.Store(ctx, t.rec.Trace, io.MultiReader(bytes.NewReader(head), t.Item.Reader()))
	if err != nil {
		return v, err
	}
	r.log.Warn("refused message put into quarantine", "uid", shown(t.rec.UID), "path", path, "reply", v.Outcome.Reply())
	for i, rc := range v.Recipients {
		if slices.Contains(refused, rc.Address) {
			v.Recipients[i].State = ledger.Forwarded
			v.Recipients[i].Text = "in quarantine: " + path + ", after: " + v.Outcome.Reply()
		}
	}
	v.Aside = refused
	return v, nil
}

// replaced is list with the recipients of news in the place of theirs.
func replaced(list, news []ledger.Recipient) []ledger.Recipient {
	out := slices.Clone(list)
	for i, rc := range out {
		if n := earlier(news, rc.Address); n.State != 0 {
			out[i] = n
		}
	}
	return out
}

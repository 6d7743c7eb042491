package fetcher

import (
	"context"
	"fmt"
	"io"

	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// Reject says what to do with a message that its destination refuses for good.
type Reject uint8

// The ways. Hold leaves it on its server until the user decides.
const (
	Hold Reject = iota
	// Wrap sends it once more, as an attachment under a short explanation.
	Wrap
	// Quarantine puts it into a folder, or into the ledger.
	Quarantine
)

// Quarantiner keeps refused messages.
type Quarantiner interface {
	// Store has a message on disk when it returns nil, and once only however
	// often it is called with one name. It returns the path.
	Store(ctx context.Context, name string, r io.Reader) (path string, err error)
}

// reject does with a refused message what on_reject says. Its error is a fault of
// popferry's own.
func (s *session) reject(ctx context.Context, d *delivery, v outcome.Verdict) (outcome.Verdict, error) {
	how := s.Destination.OnReject
	if v.Outcome.Kind == forwarder.Replaced { // wrapped it is a message of its own, which is kept
		how = Wrap
	}
	if how == Hold || v.Blame != 0 || !outcome.RefusesMessage(v.Outcome, d.envelope) {
		return v, nil
	}
	refused := v.Refused()
	switch {
	case s.tally.refusesEverything(): // it may be out of order: the mailbox is not emptied for that
		return v, nil
	case len(refused) == 0 || how == Wrap && v.Outcome.TooLarge(): // wrapped it is larger still
		return v, nil
	case how == Wrap:
		return s.wrap(ctx, d, v, refused), nil
	case countsAsRefusal(v) && s.tally.refused(d, false, s.Now()): // now, for others are refused at the same time
		return v, nil
	default:
		return s.quarantine(ctx, d, v, refused)
	}
}

// countsAsRefusal reports whether a message was refused, after it was sent, for another
// reason than its content: many of these in a row show that everything is refused.
func countsAsRefusal(v outcome.Verdict) bool {
	return v.Outcome.Kind == forwarder.Refused && v.Outcome.Stage > forwarder.StageRcpt && !v.Outcome.AboutContent()
}

// refusesAllChosen reports whether all recipients were refused that were chosen for this
// message alone. One may not exist; that nobody's message passes is the destination's.
func refusesAllChosen(d *delivery, v outcome.Verdict) bool {
	return d.envelope.Chosen && !v.Accepted && v.Outcome.Kind == forwarder.Refused && v.Outcome.Stage == forwarder.StageRcpt
}

// wrap sends a refused message as an attachment, from the configured address. It
// returns no error: by then the refusal is on disk, and a fault of popferry's own
// leaves it there, to be tried again.
func (s *session) wrap(ctx context.Context, d *delivery, v outcome.Verdict, to []string) outcome.Verdict {
	wrapped, err := s.attachment(d, v, to)
	if err != nil {
		s.log.Warn("refused message cannot be wrapped, and is held", "uid", shown(d.rec.UID), "error", err)
		return v
	}
	v = v.Deferred(d.attempt)
	if err := s.interim(ctx, d, v); err != nil {
		_ = s.tally.abort(err)
		return v
	}
	outs, err := d.slot.Resend(ctx, wrapped, func(ctx context.Context, at forwarder.Mark) error { return s.intend(ctx, d, to, at) })
	if s.halted(err) {
		return v
	}
	if err != nil {
		_ = s.tally.abort(err)
		return v
	}
	return v.Wrapped(outcome.Evaluate(outs, outcome.Envelope{Chosen: d.envelope.Chosen}, d.before.Recipients, d.attempt))
}

// attachment is the refused message as it is sent once more.
func (s *session) attachment(d *delivery, v outcome.Verdict, to []string) (*forwarder.Message, error) {
	from, all := s.Destination.Sender, d.recipients
	switch {
	case s.Destination.Address != "":
		from, all = s.Destination.Address, []string{s.Destination.Address}
	case from == "":
		from = all[0]
	}
	original := *d.message(s.poll)
	original.Recipients = to
	return forwarder.Wrap(&original, forwarder.Explanation{
		From: from, To: all, Subject: d.Header.Excerpt().Subject, Reply: v.Outcome.Reply(),
		Account: s.Name, Trace: d.rec.Trace, Date: d.rec.FirstAttempt, Top: []byte(d.rec.TraceLines),
	})
}

// interim records how a message stands between its two transactions: who has it,
// and that it is due for the others. So a crash in between leaves only those in
// doubt to whom the attachment is being sent.
func (s *session) interim(ctx context.Context, d *delivery, v outcome.Verdict) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	s.conclude(d, v)
	if err := s.lease.Put(ctx, d.rec); err != nil {
		return fmt.Errorf("recording the refusal of a message: %w", err)
	}
	failpoint("refused")
	return nil
}

// quarantine puts a refused message, as it would have been sent, into the folder
// for it, or into the ledger with its row. From then on it counts as forwarded.
func (s *session) quarantine(ctx context.Context, d *delivery, v outcome.Verdict, refused []string) (outcome.Verdict, error) {
	keeper, inLedger := s.lease.(QuarantineKeeper)
	var path string
	switch {
	case s.Destination.Quarantine != nil:
		var err error
		if path, err = s.Destination.Quarantine.Store(ctx, d.rec.Trace, d.outgoing().Reader()); err != nil {
			s.tally.takeBack(d)
			return v, err
		}
	case inLedger:
		keeper.StageQuarantine(d.rec.Trace, d.outgoing())
		path = "popferry quarantine show " + d.rec.Trace
	default:
		return v, nil
	}
	s.log.Warn("refused message put into quarantine", "uid", shown(d.rec.UID), "path", path, "reply", v.Outcome.Reply())
	v.Quarantine(path, refused)
	return v, nil
}

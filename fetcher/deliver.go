package fetcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/doubt"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// delivery is one message on its way to the destination.
type delivery struct {
	*fetched
	slot       Delivery      // its place at the forwarder; nil: there is no one left to send it to
	before     ledger.Record // its row before
	rec        *ledger.Record
	recipients []string // all of them
	otherwise  []string // who get it if a recipient does not exist
	pending    []string // who still has to get it
	envelope   outcome.Envelope
	sender     string
	attempt    outcome.Attempt
	intent     ledger.Record // the row that says sending; zero: none was written
	arrived    time.Time     // when it came to its mailbox
	mayHide    bool          // its server may not give it again: see session.mayHide
	keeps      bool          // its server is known to
	evidence
}

// evidence is what a delivery shows about its destination.
type evidence struct {
	begun        begun
	refused      bool      // it was counted as refused for good
	refusedSince time.Time // when the refusals in a row began; zero: it is not one of them
}

// submit prepares a message (to whom it goes, from whom, under which trace and
// date) and takes its place in the order at once.
func (s *session) submit(m *fetched) *delivery {
	rec := *m.row
	d := &delivery{fetched: m, before: *m.row, rec: &rec, sender: s.Destination.Sender, recipients: s.Destination.Recipients}
	if s.Multidrop != nil {
		d.otherwise = s.Multidrop.Otherwise
	}
	d.envelope.Wraps = s.Destination.OnReject == Wrap
	if rec.Chosen = s.sorted(m); rec.Chosen != "" && rec.Chosen != ledger.ChosenOwn {
		d.recipients, d.envelope.Chosen = strings.Split(rec.Chosen, "\n"), true
	}
	if !m.fromCopy && !s.box.Hides() {
		d.mayHide = s.mayHide()
		d.keeps = !d.mayHide
	}
	s.trace(&rec, cmp.Or(m.digest, rec.Digest)) // a copy was kept with it
	if rec.TraceLines == "" {
		rec.TraceLines = string(s.origin().TraceLines(rec.Trace, rec.FirstAttempt))
	}
	d.arrived = m.Header.Arrived(earliest(rec.FirstSeen, s.lastLogin), s.Now())
	if s.Destination.Original && m.Header.HasReturnPath {
		d.sender, d.envelope.OwnSender = m.Header.ReversePath(), true
	}
	d.pending, rec.Recipients = outcome.Pending(d.recipients, rec.Recipients)
	if len(d.pending) > 0 {
		rec.Attempts++
	}
	d.attempt = s.tally.attempt(s.Now(), &rec, &d.before)
	if len(d.pending) > 0 {
		d.slot = s.Destination.Forwarder.Submit(d.message(s.poll))
	}
	return d
}

// trace gives the row of a message with this digest its trace, if it has none yet. It
// does not depend on the configuration, or a ledger that lost the row would not know the
// message in its inbox by it once that has changed.
func (s *session) trace(rec *ledger.Record, digest string) {
	if rec.Trace != "" {
		return
	}
	rec.Trace = s.origin().TraceID(rec.UID, rec.Generation, s.twins(rec), ledger.HeaderFingerprint(rec.Fingerprint), digest)
	rec.FirstAttempt = s.Now().Truncate(time.Second)
}

// earliest is the earlier of two times.
func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// message is what is handed over.
func (d *delivery) message(p *poll) *forwarder.Message {
	a := p.Account
	out := d.outgoing()
	m := &forwarder.Message{
		Sender:     d.sender,
		Recipients: d.pending,
		Size:       out.Size(),
		EightBit:   d.EightBit,
		Strays:     d.Strays,
		Body:       whileAlive(p.lease, out.Size(), out.Reader),
		Date:       d.arrived,
		Trace:      d.rec.Trace,
		MessageID:  d.Header.MessageID,
	}
	if a.Destination.Address != "" {
		m.Folder = d.pending[0]
	}
	return m
}

// outgoing is the message as it is sent. All recipients count, not only those
// that are left, so that every attempt sends the same octets.
func (d *delivery) outgoing() message.Outgoing {
	return d.Outgoing([]byte(d.rec.TraceLines), slices.Concat(d.recipients, d.otherwise))
}

// errHalted: the poll was stopped before a transaction had begun.
var errHalted = errors.New("the poll was stopped")

// halted reports whether a transaction did not begin though nothing failed: the poll
// was stopped, or the destination's rate does not admit the message now.
func (s *session) halted(err error) bool {
	if errors.Is(err, ledger.ErrQuotaUsedUp) || errors.Is(err, ledger.ErrQuotaTooSmall) {
		s.tally.postponed(err)
		return true
	}
	return errors.Is(err, errHalted)
}

// deliver takes one message through its transaction: intent, transaction,
// outcome, each on disk before the next. ctx ends the transaction; its outcome is
// recorded all the same.
func (s *session) deliver(ctx context.Context, d *delivery) {
	recorded := false
	defer func() { s.release(d, recorded, recover()) }()
	if s.closed(ctx) {
		return
	}
	v := outcome.Evaluate(nil, d.envelope, d.before.Recipients, d.attempt) // no one is left to send it to
	if d.slot != nil {
		outs, err := d.slot.Wait(ctx, s.unlessClosed(d, d.pending))
		failpoint("answered")
		if s.halted(err) {
			return
		}
		if err != nil {
			write := s.writeOnce
			if s.lease.Alive() != nil { // what it wrote last may be there, or not
				write = s.insist
			}
			_ = s.tally.abort(errors.Join(err, write(ctx, d.rollback(s.lease))))
			return
		}
		v = s.goOn(ctx, d, outcome.Evaluate(outs, d.envelope, d.before.Recipients, d.attempt))
		v = s.divert(ctx, d, v)
	}
	rejected, err := s.reject(ctx, d, v)
	switch {
	case err == nil:
		v = rejected
	case !v.PossiblyDelivered():
		_ = s.tally.abort(errors.Join(err, s.insist(ctx, d.rollback(s.lease))))
		return
	default: // some have it, or may, and that must not be forgotten
		_ = s.tally.abort(err)
		v = v.Deferred(d.attempt)
	}
	recorded = s.record(ctx, d, v)
}

// goOn sends a message again, in its place, where one transaction could not do: to
// the recipients that were too many for it, or because the destination was
// throttling.
func (s *session) goOn(ctx context.Context, d *delivery, v outcome.Verdict) outcome.Verdict {
	for throttled := 0; ; {
		to := v.Remaining
		wait, again := outcome.ThrottleWait(throttled, v.Outcome.RetryAfter)
		switch {
		case len(to) > 0:
			if err := s.interim(ctx, d, v); err != nil {
				_ = s.tally.abort(err)
				return v
			}
		case v.Blame == outcome.Throttled && v.Effect == outcome.Rollback && again:
			if !s.pause(ctx, wait) {
				return v
			}
			throttled++
			to = d.pending
		default:
			return v
		}
		w, err := s.resend(ctx, d, v, to)
		switch {
		case errors.Is(err, errHalted):
			return v.NotRemaining(d.attempt)
		case err != nil:
			return v
		case len(v.Remaining) == 0: // it was throttled
			v = w
		case len(w.Remaining) == len(to): // none of them was accepted
			return v.And(w.NotRemaining(d.attempt))
		default:
			v = v.And(w)
		}
	}
}

// resend sends a message whose transactions so far came to v, in its place, to these
// recipients in another one. Its error is errHalted if that did not begin; any other is
// a fault of popferry's own, for which the poll was stopped.
func (s *session) resend(ctx context.Context, d *delivery, v outcome.Verdict, to []string) (outcome.Verdict, error) {
	m := d.message(s.poll)
	m.Recipients = to
	outs, err := d.slot.Resend(ctx, m, s.unlessClosed(d, to))
	switch {
	case s.halted(err):
		return outcome.Verdict{}, errHalted
	case err != nil:
		return outcome.Verdict{}, s.tally.abort(err)
	}
	return outcome.Evaluate(outs, d.envelope, slices.Concat(d.before.Recipients, v.Recipients), d.attempt), nil
}

// pause waits. It reports false if the poll is stopped meanwhile.
func (s *session) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return !s.closed(ctx)
	case <-s.Stopping:
	case <-ctx.Done():
	}
	return false
}

// release ends a delivery: what it held is given back, and its place at the
// forwarder is free for the next message. recorded reports whether its outcome is
// on disk; panicked is the value of a panic, if there was one.
func (s *session) release(d *delivery, recorded bool, panicked any) {
	if panicked != nil {
		_ = s.tally.abort(&PanicError{Value: panicked, Stack: debug.Stack()})
	}
	if d.slot != nil {
		d.slot.Done()
	}
	if !recorded && !d.fromCopy {
		s.box.Abandon(d.Number)
	}
	d.Release()
}

// unlessClosed is intend, unless the poll was stopped while the message waited for its
// turn.
func (s *session) unlessClosed(d *delivery, to []string) func(context.Context, forwarder.Mark) error {
	return func(ctx context.Context, at forwarder.Mark) error {
		if s.closed(ctx) {
			return errHalted
		}
		return s.intend(ctx, d, to, at)
	}
}

// intend records that a transaction for these recipients is about to begin, and
// where the message will lie then.
func (s *session) intend(ctx context.Context, d *delivery, to []string, at forwarder.Mark) error {
	d.begun = s.tally.begun()
	defer failpoint("intended")
	outcome.Intend(d.rec, d.before.Recipients, to, d.attempt)
	doubt.Begin(d.rec, at)
	put := func() error { return s.lease.Put(ctx, d.rec) }
	if q := s.Destination.Quota; len(q.Limits) > 0 {
		put = func() error { return s.lease.PutWithin(ctx, q, d.outgoing().Size(), d.rec) }
	}
	err := put()
	d.intent = *d.rec
	return err
}

// rollback takes an intent back: the transaction did not happen.
func (d *delivery) rollback(l Lease) func(context.Context) error {
	return func(ctx context.Context) error {
		switch {
		case d.intent.Trace == "":
			return nil
		case d.before.ID == 0:
			return settle(ctx, l, &d.intent, nil)
		default:
			return settle(ctx, l, &d.intent, &d.before)
		}
	}
}

// record writes the outcome of a transaction to the ledger. It reports whether
// it is on disk, and was not rolled back.
func (s *session) record(ctx context.Context, d *delivery, v outcome.Verdict) bool {
	if v.Effect == outcome.Rollback {
		if err := s.insist(ctx, d.rollback(s.lease)); err != nil {
			_ = s.tally.abort(err)
		}
		s.tally.delivered(d, v)
		return false
	}
	s.conclude(d, v)
	switch {
	case d.keeps:
		d.rec.CopyFile = "" // kept while that was not known
	case d.mayHide && d.rec.CopyFile == "" && identify.Undelivered(d.rec.Known):
		s.keepUndelivered(d)
	}
	chosen := refusesAllChosen(d, v)
	if held := d.rec.State == ledger.Held; (held || len(v.Quarantined) > 0) && (chosen || countsAsRefusal(v)) {
		s.tally.refused(d, chosen, s.Now())
		if held && !d.refusedSince.IsZero() {
			d.rec.RefusedSince = d.refusedSince
		}
	}
	if err := s.insist(ctx, func(ctx context.Context) error { return settle(ctx, s.lease, &d.intent, d.rec) }); err != nil {
		_ = s.tally.abort(fmt.Errorf("recording the outcome of a message: %w", err))
		return false
	}
	failpoint("written")
	if !d.fromCopy {
		s.tally.retrieved(d.rec.ID)
	}
	if d.rec.CopyFile == "" {
		s.copies.Drop(d.before.CopyFile)
	}
	s.logOutcome(d, v)
	s.tally.triedInVain(d.rec)
	for _, r := range s.tally.delivered(d, v) {
		s.deferForRoom(ctx, r)
	}
	return true
}

// conclude puts a verdict into the row of its message.
func (s *session) conclude(d *delivery, v outcome.Verdict) {
	outcome.Conclude(d.rec, d.before.Recipients, v, d.attempt, s.Describe)
	doubt.Conclude(d.rec, &d.before, v.Effect == outcome.InDoubt, s.Now())
}

// deferForRoom records a message that found no room while others did, or before they
// did: it is this message's size.
func (p *poll) deferForRoom(ctx context.Context, r refusedForRoom) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	rec := *r.d.rec
	rec.ID = r.d.before.ID
	r.v.Blame = 0
	outcome.Conclude(&rec, r.d.before.Recipients, r.v, r.d.attempt, p.Describe)
	if err := p.lease.Put(ctx, &rec); err != nil {
		_ = p.tally.abort(err)
		return
	}
	d := *r.d
	d.rec = &rec
	p.logOutcome(&d, r.v)
	p.tally.triedInVain(&rec)
}

// logOutcome counts and logs an outcome that is on disk.
func (p *poll) logOutcome(d *delivery, v outcome.Verdict) {
	rec := d.rec
	p.tally.count(rec.State, 1, d.Item.Size())
	attrs := []any{"uid", shown(rec.UID), "forward", p.Destination.Name, "outcome", rec.State.String(), "size", rec.MessageSize, "attempts", rec.Attempts, "trace", rec.Trace}
	switch {
	case rec.State == ledger.Forwarded:
		if reply := v.Outcome.Reply(); reply != "" { // most servers say under which name they have it
			attrs = append(attrs, "reply", reply)
		}
		p.log.Info("message", attrs...)
		return
	case len(v.Recipients) == 0: // nobody was asked
		p.log.Warn("message", append(attrs, "reply", rec.Cause.Text)...)
		return
	}
	if attrs = append(attrs, "stage", v.Outcome.Stage.String()); v.Outcome.Kind == forwarder.Impossible { // the server was not asked
		p.log.Warn("message", append(attrs, "error", v.Outcome.Text)...)
		return
	}
	p.log.Warn("message", append(attrs, "code", v.Outcome.Code, "reply", v.Outcome.Reply())...)
}

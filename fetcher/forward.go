package fetcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
)

// forward fetches what is due, one after the other, and hands each message on
// while the next one is fetched. pop ends the fetching, ctx the transactions.
// Its error is a PipelineError: the session is to be repeated.
func (r *run) forward(ctx, pop context.Context, due []identify.Candidate) error {
	if err := r.fetchAll(ctx, pop, due); err != nil {
		return err
	}
	return r.salvage(pop)
}

// fetchAll returns when all transactions have ended.
func (r *run) fetchAll(ctx, pop context.Context, due []identify.Candidate) error {
	w := r.newWorkers()
	defer w.wait(pop) // also if something panics: their outcomes are to be written
	r.s.expect(due)
	if len(due) > 0 {
		r.a.Destination.Forwarder.Preconnect()
	}
	before := make(chan struct{})
	close(before)
	for _, c := range due {
		if r.stopped(ctx) {
			break
		}
		m, err := r.fetch(pop, c)
		var broken *PipelineError
		switch {
		case errors.As(err, &broken):
			return err
		case err != nil:
			r.stop(err, false)
		case m == nil:
			r.a.Progress.settled()
		default:
			failpoint("fetched")
			w.enter(pop, m.Octets)
			m.previous, m.queued = before, make(chan struct{})
			before = m.queued
			go func() {
				defer w.leave(m.Octets)
				defer r.a.Progress.settled()
				r.deliver(ctx, m)
			}()
		}
	}
	return nil
}

// deliver takes one message through its transaction: intent, transaction,
// outcome, each on disk before the next.
func (r *run) deliver(ctx context.Context, m *fetched) {
	defer m.Item.Release()
	sent := false
	defer func() {
		if !sent && m.Number > 0 {
			r.leaveOff(m)
		}
	}()
	defer m.inLine()
	defer func() {
		if v := recover(); v != nil {
			r.stop(&PanicError{Value: v, Stack: debug.Stack()}, true)
		}
	}()
	if r.stopped(ctx) {
		return
	}
	// ctx ends the transaction; what came of it is written down all the same.
	write, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	t := r.transaction(m)
	defer func() { t.land() }() // a second one may have taken its place
	v, err := r.transact(ctx, t)
	switch {
	case errors.Is(err, errHalted):
	case err != nil:
		r.stop(errors.Join(err, r.undo(write, t)), true)
	default:
		sent = r.finish(write, t, v)
	}
}

// transact is the transaction itself, and what follows a refusal. Its error is
// a fault of our own; nothing has to be written then but that it did not
// happen.
func (r *run) transact(ctx context.Context, t *transaction) (outcome.Verdict, error) {
	if len(t.pending) == 0 {
		return outcome.Evaluate(nil, t.env, t.before.Recipients, t.clock), nil
	}
	<-t.previous // mail arrives in the order in which it lay there
	outs, err := r.a.Destination.Forwarder.Deliver(ctx, t.message(r.a), func(ctx context.Context) error { return r.intend(ctx, t) })
	failpoint("answered")
	if err != nil {
		return outcome.Verdict{}, err
	}
	v := outcome.Evaluate(outs, t.env, t.before.Recipients, t.clock)
	better, err := r.reject(ctx, t, v)
	switch {
	case err == nil:
		return better, nil
	case !v.PossiblyDelivered():
		return v, err
	}
	r.stop(err, true) // but some have it, or may, and that must not be forgotten
	return v.Deferred(t.clock), nil
}

// errHalted: the poll was stopped before a transaction had begun.
var errHalted = errors.New("the poll has been stopped")

// intend writes down that a transaction is about to begin.
func (r *run) intend(ctx context.Context, t *transaction) error {
	if r.stopped(ctx) { // while it waited for its turn
		return errHalted
	}
	t.begun = true
	defer failpoint("intended")
	outcome.Intend(t.rec, t.before.Recipients, t.pending, t.clock)
	return r.lease.Put(ctx, t.rec)
}

// undo takes an intent back: the transaction did not happen.
func (r *run) undo(ctx context.Context, t *transaction) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	switch {
	case !t.begun || t.rec.ID == 0:
		return nil
	case t.before.ID == 0:
		return r.lease.Drop(ctx, t.rec.ID)
	default:
		return r.lease.Put(ctx, &t.before)
	}
}

// finish writes down what came of a transaction. It tells whether that is on
// disk, and not undone.
func (r *run) finish(ctx context.Context, t *transaction, v outcome.Verdict) bool {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if v.Fault != nil {
		v.Fault.Name = r.a.Destination.Name
		r.stop(v.Fault, false)
	}
	if v.Effect == outcome.Rollback {
		if err := r.undo(ctx, t); err != nil {
			r.stop(err, true)
		}
		return false
	}
	outcome.Conclude(t.rec, t.before.Recipients, v, t.clock, r.Describe)
	if err := r.lease.Put(ctx, t.rec); err != nil {
		r.stop(fmt.Errorf("writing down the outcome of a message: %w", err), true)
		return false
	}
	failpoint("written")
	if t.rec.CopyFile == "" {
		r.unkeep(t.before.CopyFile)
	}
	r.tell(t, v)
	r.weigh(ctx, t, v)
	return true
}

// tell counts and logs an outcome that is on disk.
func (r *run) tell(t *transaction, v outcome.Verdict) {
	rec := t.rec
	r.count(rec.State, t.Item.Size())
	attrs := []any{"uid", shown(rec.UID), "forward", r.a.Destination.Name, "outcome", rec.State.String(), "size", rec.MessageSize, "attempts", rec.Attempts, "trace", rec.Trace}
	if rec.State == ledger.Forwarded {
		r.log.Info("message", attrs...)
		return
	}
	r.log.Warn("message", append(attrs, "stage", v.Outcome.Stage.String(), "code", v.Outcome.Code, "reply", v.Outcome.Reply())...)
}

// count adds an outcome to the poll's counts.
func (r *run) count(s ledger.State, octets int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch s {
	case ledger.Forwarded:
		r.res.Forwarded++
		r.res.Octets += octets
	case ledger.Held:
		r.res.Held++
	case ledger.Deferred:
		r.res.Deferred++
	case ledger.Unknown:
		r.res.Deferred++
		r.res.Unknown++
	case ledger.Skipped:
		r.res.Skipped++
	case ledger.Sending, ledger.Gone:
	}
}

// weigh says what a message's outcome means for those behind it.
func (r *run) weigh(ctx context.Context, t *transaction, v outcome.Verdict) {
	r.mu.Lock()
	if t.rec.State == ledger.Forwarded && t.Number > 0 {
		r.done = append(r.done, identify.Match{Entry: t.Entry, Known: t.rec.Known})
	}
	requeue, open := r.breaker.Record(outcome.Delivery{Before: t.before, After: t.rec, Envelope: t.env, Verdict: v})
	r.mu.Unlock()
	if len(requeue) > 0 {
		if err := r.requeue(ctx, requeue); err != nil {
			r.stop(err, true)
		}
	}
	if open {
		r.stop(&outcome.DestinationError{Name: r.a.Destination.Name, Outcome: v.Outcome}, false)
	}
}

// requeue makes messages due again that were refused though the destination was
// at fault.
func (r *run) requeue(ctx context.Context, list []outcome.Refusal) error {
	var recs []*ledger.Record
	held := 0
	for _, f := range list {
		if f.Requeue(r.Now()) {
			held++
		}
		recs = append(recs, f.Record)
	}
	if err := r.lease.Put(ctx, recs...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = slices.DeleteFunc(r.done, func(m identify.Match) bool {
		return slices.ContainsFunc(recs, func(rec *ledger.Record) bool { return rec.ID == m.Known.ID })
	})
	r.res.Held -= held
	r.res.Forwarded -= len(list) - held
	r.res.Deferred += len(list)
	return nil
}

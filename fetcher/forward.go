package fetcher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// forward fetches what is due, one after the other, and hands each message on
// while the next one is fetched. pop ends the fetching, ctx the transactions.
func (r *run) forward(ctx, pop context.Context, due []candidate) {
	w := r.newWorkers()
	defer w.wait(pop) // also if something panics: their outcomes are to be written
	for _, c := range due {
		if r.stopped(ctx) {
			break
		}
		m, err := r.fetch(pop, c)
		if err != nil {
			r.stop(err, false)
			break
		}
		if m == nil {
			continue
		}
		failpoint("fetched")
		w.enter(pop)
		go func() {
			defer w.leave()
			r.deliver(ctx, m)
		}()
	}
}

// workers are the transactions that run side by side. While there is no room
// for another one, the POP3 server is kept from logging us out (RFC 1939 3).
type workers struct {
	r     *run
	slots chan struct{}
	tick  *time.Ticker
}

// aliveGap bounds the time between two NOOPs; servers are seen that log out
// after two minutes.
const aliveGap = time.Minute

func (r *run) newWorkers() *workers {
	gap := aliveGap
	if t := r.a.Source.Timeout / 5; t > 0 {
		gap = min(gap, t)
	}
	return &workers{r: r, slots: make(chan struct{}, max(1, r.a.Destination.Forwarder.Workers())), tick: time.NewTicker(gap)}
}

// enter waits for room. That the session breaks meanwhile shows at its next
// command.
func (w *workers) enter(ctx context.Context) {
	for {
		select {
		case w.slots <- struct{}{}:
			return
		case <-w.tick.C:
			if w.r.s.Err() == nil {
				_ = w.r.s.Noop(ctx)
			}
		}
	}
}

func (w *workers) leave() { <-w.slots }

// wait returns when all have left.
func (w *workers) wait(ctx context.Context) {
	for range cap(w.slots) {
		w.enter(ctx)
	}
	w.tick.Stop()
}

// deliver takes one message through its transaction: intent, transaction,
// outcome, each on disk before the next.
func (r *run) deliver(ctx context.Context, m *fetched) {
	defer m.item.Release()
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
	v, err := r.transact(ctx, t)
	if err != nil {
		r.stop(errors.Join(err, r.undo(write, t)), true)
		return
	}
	r.finish(write, t, v)
}

// transact is the transaction itself, and what follows a refusal. Its error is
// a fault of our own; nothing has to be written then but that it did not
// happen.
func (r *run) transact(ctx context.Context, t *transaction) (verdict, error) {
	if len(t.pending) == 0 {
		return settle(nil, t.env, t.before.Recipients, t.clock), nil
	}
	outs, err := r.a.Destination.Forwarder.Deliver(ctx, t.message(r.a), func(ctx context.Context) error { return r.intend(ctx, t) })
	failpoint("answered")
	if err != nil {
		return verdict{}, err
	}
	return r.reject(ctx, t, settle(outs, t.env, t.before.Recipients, t.clock))
}

// intend writes down that a transaction is about to begin.
func (r *run) intend(ctx context.Context, t *transaction) error {
	if t.begun {
		return nil
	}
	t.begun = true
	defer failpoint("intended")
	return r.lease.Put(ctx, t.intent())
}

// transaction is one message on its way, with its row before and after.
type transaction struct {
	*fetched
	before  ledger.Record
	rec     *ledger.Record
	pending []string
	env     envelope
	sender  string
	clock   attempt
	begun   bool
}

// transaction prepares a message: to whom it goes, from whom, under which
// trace and date.
func (r *run) transaction(m *fetched) *transaction {
	t := &transaction{fetched: m, before: *m.row, sender: r.a.Destination.Sender}
	rec := *m.row
	t.rec = &rec
	if rec.Trace == "" {
		rec.Trace, rec.FirstAttempt = newTrace(), r.now()
	}
	if r.a.Destination.Original && m.head.HasReturn {
		t.sender, t.env.OwnSender = m.head.ReturnPath, true
	}
	rec.Attempts++
	t.clock = attempt{Now: r.Now(), First: rec.FirstAttempt, Number: rec.Attempts}
	// A crash must not lead to a try at once, and another crash.
	rec.NextAttempt = t.clock.next()
	t.pending, rec.Recipients = pending(r.a.Destination.Recipients, rec.Recipients)
	return t
}

// pending tells who still has to get a message: whoever the configuration
// names now, less those who have it or refused it. The rows of the others are
// kept, but for addresses that are not named any more.
func pending(named []string, rows []ledger.Recipient) (todo []string, kept []ledger.Recipient) {
	for _, r := range rows {
		if r.State == ledger.Forwarded || r.State == ledger.Held {
			kept = append(kept, r)
		}
	}
	for _, a := range named {
		if earlier(kept, a).State == 0 {
			todo = append(todo, a)
		}
	}
	return todo, kept
}

// intent is the row before the transaction.
func (t *transaction) intent() *ledger.Record {
	t.rec.State, t.rec.Cause = ledger.Sending, ledger.Cause{}
	for _, a := range t.pending {
		was := earlier(t.before.Recipients, a)
		t.rec.Recipients = append(t.rec.Recipients, ledger.Recipient{Address: a, State: ledger.Sending, Attempts: was.Attempts, NextAttempt: t.rec.NextAttempt})
	}
	return t.rec
}

// message is what is handed over.
func (t *transaction) message(a Account) *forwarder.Message {
	head := traceLines(a, t.rec.Trace, t.rec.FirstAttempt)
	return &forwarder.Message{
		Sender:     t.sender,
		Recipients: t.pending,
		Size:       int64(len(head)) + t.item.Size(),
		EightBit:   t.high,
		UTF8:       t.head.EightBit,
		Body:       t.reader(head),
	}
}

// reader returns the message from its start, each time it is called.
func (t *transaction) reader(head []byte) func() io.Reader {
	return func() io.Reader { return io.MultiReader(bytes.NewReader(head), t.item.Reader()) }
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

// finish writes down what came of a transaction.
func (r *run) finish(ctx context.Context, t *transaction, v verdict) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if v.Blocked != nil {
		v.Blocked.Name = r.a.Destination.Name
		r.stop(v.Blocked, false)
	}
	if v.Undo {
		if err := r.undo(ctx, t); err != nil {
			r.stop(err, true)
		}
		return
	}
	_, kept := pending(nil, t.before.Recipients)
	t.rec.Recipients = append(kept, v.Recipients...) // nobody is left if all are kept
	t.rec.State = ledger.Worst(t.rec.Recipients)
	t.conclude(r.Describe, v)
	if err := r.lease.Put(ctx, t.rec); err != nil {
		r.stop(fmt.Errorf("writing down the outcome of a message: %w", err), true)
		return
	}
	failpoint("written")
	if t.rec.Spool == "" {
		unkeep(t.before.Spool)
	}
	r.tell(t, v)
	r.weigh(ctx, t, v)
}

// conclude fills in the row what follows from its state.
func (t *transaction) conclude(describe func(error) ledger.Cause, v verdict) {
	rec := t.rec
	rec.NextAttempt, rec.Cause = time.Time{}, ledger.Cause{}
	switch rec.State {
	case ledger.Forwarded:
		rec.ForwardedAt, rec.Spool = t.clock.Now, ""
	default:
		rec.Cause = describe(&MessageError{Outcome: v.Outcome})
	}
	if !rec.State.Due() && rec.State != ledger.Held {
		rec.Excerpt = ledger.Excerpt{MessageID: rec.Excerpt.MessageID}
	}
	for _, rc := range rec.Recipients {
		if rc.State.Due() && (rec.NextAttempt.IsZero() || rc.NextAttempt.Before(rec.NextAttempt)) {
			rec.NextAttempt = rc.NextAttempt
		}
	}
}

// tell counts and logs an outcome that is on disk.
func (r *run) tell(t *transaction, v verdict) {
	rec := t.rec
	r.count(rec.State, t.item.Size())
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

// MessageError is what the destination said of one message.
type MessageError struct{ Outcome forwarder.Outcome }

func (e *MessageError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Outcome.Stage, e.Outcome.Kind, e.Outcome.Reply())
}

func (e *MessageError) Unwrap() error { return e.Outcome.Err }

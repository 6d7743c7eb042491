package fetcher

import (
	"context"
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// maxStreak is how many messages in a row a destination may refuse with one
// code before the fault is taken to be its own.
const maxStreak = 5

// streak are the last messages, one after the other, that the destination
// refused with the same code.
type streak struct {
	code int
	rows []*ledger.Record
}

// weigh says what a message's outcome means for those behind it.
func (r *run) weigh(ctx context.Context, t *transaction, v verdict) {
	r.mu.Lock()
	if t.rec.State == ledger.Forwarded && t.Number > 0 {
		r.done = append(r.done, match{Entry: t.Entry, Known: t.rec.Known})
	}
	r.breaks++
	if !v.Broke {
		r.breaks = 0
	}
	stop := v.Doubt || r.breaks >= maxBreaks
	rows := r.lengthen(t, v)
	r.mu.Unlock()

	if len(rows) > 0 {
		stop = true
		if err := r.release(ctx, rows); err != nil {
			r.stop(err, true)
		}
	}
	if stop {
		r.stop(&DestinationError{Name: r.a.Destination.Name, Outcome: v.Outcome}, false)
	}
}

// lengthen adds a refusal to the streak, and returns the rows of one that is
// long enough. What is about a message's size or content does not count, nor
// does it end a streak; what is accepted does.
func (r *run) lengthen(t *transaction, v verdict) []*ledger.Record {
	o := v.Outcome
	switch {
	case t.rec.State == ledger.Forwarded && !v.Aside:
		r.streak = streak{}
		return nil
	case t.rec.State != ledger.Held && !v.Aside || o.Kind != forwarder.Refused || aboutContent(o) || t.env.OwnSender && aboutSender(o) && o.Stage < forwarder.StageData:
		return nil
	case o.Code != r.streak.code:
		r.streak = streak{code: o.Code}
	}
	r.streak.rows = append(r.streak.rows, t.rec)
	if len(r.streak.rows) < maxStreak {
		return nil
	}
	rows := r.streak.rows
	r.streak = streak{}
	return rows
}

// release takes back what a streak did to its messages: nothing is known
// against them, so they are due again.
func (r *run) release(ctx context.Context, rows []*ledger.Record) error {
	rows = slices.DeleteFunc(rows, func(rec *ledger.Record) bool { return rec.State != ledger.Held })
	for _, rec := range rows {
		rec.State, rec.NextAttempt = ledger.Deferred, r.Now()
		for i, rc := range rec.Recipients {
			if rc.State == ledger.Held {
				rec.Recipients[i].State, rec.Recipients[i].NextAttempt = ledger.Deferred, r.Now()
			}
		}
	}
	if err := r.lease.Put(ctx, rows...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Held -= len(rows)
	r.res.Deferred += len(rows)
	return nil
}

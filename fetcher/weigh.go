package fetcher

import (
	"context"
	"slices"
	"time"

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
	list []refusal
}

// refusal is a message that was refused, and for whom it was put aside.
type refusal struct {
	rec   *ledger.Record
	aside []string
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
	long := r.lengthen(t, v)
	r.mu.Unlock()

	if len(long) > 0 {
		stop = true
		if err := r.release(ctx, long); err != nil {
			r.stop(err, true)
		}
	}
	if stop {
		r.stop(&DestinationError{Name: r.a.Destination.Name, Outcome: v.Outcome}, false)
	}
}

// lengthen adds a refusal to the streak, and returns one that is long enough.
// What is about a message's size, content or sender does not count, nor does a
// message that was in a streak before if the destination has taken others
// since: it is the message then. What is accepted ends a streak.
func (r *run) lengthen(t *transaction, v verdict) []refusal {
	o := v.Outcome
	again := t.before.Attempts > 0 && (r.accepted > 0 || !r.dest.LastSuccess.Before(t.before.NextAttempt))
	switch {
	case t.rec.State == ledger.Forwarded && len(v.Aside) == 0:
		r.accepted++
		r.streak = streak{}
		return nil
	case t.rec.State != ledger.Held && len(v.Aside) == 0 || o.Kind != forwarder.Refused || again || o.AboutContent() ||
		t.env.OwnSender && o.AboutSender() && o.Stage < forwarder.StageData:
		return nil
	case o.Code != r.streak.code:
		r.streak = streak{code: o.Code}
	}
	r.streak.list = append(r.streak.list, refusal{t.rec, v.Aside})
	// Once it is the destination's fault, it also is for what was on its way.
	if len(r.streak.list) < maxStreak && r.faulty != o.Code {
		return nil
	}
	list := r.streak.list
	r.streak, r.faulty = streak{}, o.Code
	return list
}

// release takes back what a streak did to its messages: nothing is known
// against them, so they are due again.
func (r *run) release(ctx context.Context, list []refusal) error {
	var recs []*ledger.Record
	held, aside := 0, 0
	for _, f := range list {
		rec := f.rec
		if rec.State == ledger.Held {
			held++
		} else {
			aside++
		}
		rec.State, rec.NextAttempt, rec.ForwardedAt = ledger.Deferred, r.Now(), time.Time{}
		for i, rc := range rec.Recipients {
			if rc.State == ledger.Held || slices.Contains(f.aside, rc.Address) {
				rec.Recipients[i].State, rec.Recipients[i].NextAttempt = ledger.Deferred, r.Now()
			}
		}
		recs = append(recs, rec)
	}
	if err := r.lease.Put(ctx, recs...); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = slices.DeleteFunc(r.done, func(m match) bool {
		return slices.ContainsFunc(recs, func(rec *ledger.Record) bool { return rec.ID == m.Known.ID })
	})
	r.res.Held -= held
	r.res.Forwarded -= aside
	r.res.Deferred += len(list)
	return nil
}

package fetcher

import (
	"context"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
)

// incomplete notes a body that did not come whole: due again, but held when it
// breaks off for the third time and where it did before, or for the sixth time
// at all. So it can't end every session before the others are through.
func (r *run) incomplete(ctx context.Context, c identify.Candidate, rec *ledger.Record, why *IncompleteError) error {
	if rec == nil {
		rec = r.newRow(c.Entry)
	}
	again := rec.Cause.Code == ledger.CauseIncomplete
	if !again {
		rec.Attempts = 0
	}
	rec.Attempts++
	held := rec.Attempts >= maxIncomplete && rec.BrokenAt == why.Got || rec.Attempts >= 2*maxIncomplete
	rec.BrokenAt = why.Got
	rec.State, rec.NextAttempt = ledger.Deferred, r.Now()
	if held {
		rec.State, rec.NextAttempt = ledger.Held, time.Time{}
	}
	rec.Cause = ledger.Cause{Code: ledger.CauseIncomplete, Text: why.Error()}
	return r.failed(ctx, rec, why)
}

// refusedByServer notes a -ERR to RETR: the others go on, unless the server
// says that it has had enough of us.
func (r *run) refusedByServer(ctx context.Context, c identify.Candidate, rec *ledger.Record, why *pop3.Error) error {
	if r.refusals++; saysStop(why) || r.refusals >= maxRefusals && why.Kind() == pop3.KindTemporary {
		return r.a.Source.error(StepRetr, why)
	}
	gone := why.Kind() == pop3.KindGone
	if gone && rec == nil {
		r.log.Info("message left the server before it was fetched", "uid", shown(c.UID), "outcome", "gone")
		return nil
	}
	if rec == nil {
		rec = r.newRow(c.Entry)
	}
	r.s.learnUTF8(why)
	now := r.Now()
	rec.Attempts++
	rec.State, rec.NextAttempt = ledger.Deferred, outcome.Attempt{Now: now, First: rec.FirstSeen, Number: rec.Attempts}.Next()
	if gone {
		rec.State = ledger.Gone
	}
	rec.Cause = r.Describe(r.a.Source.error(StepRetr, why))
	return r.failed(ctx, rec, why)
}

// maxRefusals is how many messages in a row may be refused for now before that
// is taken to be about all of them.
const maxRefusals = 3

// saysStop tells whether a refusal is about the session, not the message.
func saysStop(e *pop3.Error) bool {
	switch e.Kind() {
	case pop3.KindTooOften, pop3.KindLocked:
		return true
	default:
		return e.Code == "SYS/TEMP"
	}
}

// failed writes down that a message could not be fetched.
func (r *run) failed(ctx context.Context, rec *ledger.Record, why error) error {
	if err := r.lease.Put(ctx, rec); err != nil {
		return r.ourFault(err)
	}
	r.count(rec.State, 0)
	r.log.Warn("message could not be fetched", "uid", shown(rec.UID), "outcome", rec.State.String(), "attempts", rec.Attempts, "error", why)
	return nil
}

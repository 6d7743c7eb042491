package outcome

import (
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Pending says who still has to get a message: those that the configuration
// names now, except those who have it or have refused it. Their rows are kept;
// those of other recipients, who are no longer named, are not.
func Pending(named []string, rows []ledger.Recipient) (todo []string, kept []ledger.Recipient) {
	for _, r := range rows {
		if r.State == ledger.Forwarded || r.State == ledger.Held {
			kept = append(kept, r)
		}
	}
	for _, a := range named {
		if Find(kept, a).State == 0 {
			todo = append(todo, a)
		}
	}
	return todo, kept
}

// Intend changes a row to what it has to say before the message is sent to these
// recipients. before is what was known of them.
func Intend(rec *ledger.Record, before []ledger.Recipient, to []string, a Attempt) {
	rec.State, rec.Cause = ledger.Sending, ledger.Cause{}
	// After a crash the message waits: else it could cause the next crash at once.
	rec.NextAttempt = a.Next()
	rec.Recipients = slices.DeleteFunc(slices.Clone(rec.Recipients), func(rc ledger.Recipient) bool { return slices.Contains(to, rc.Address) })
	for _, address := range to {
		was := Find(before, address)
		if was.State != ledger.Unknown {
			was.Doubts = 0 // in doubt is something else, should popferry end now
		}
		rec.Recipients = append(rec.Recipients, ledger.Recipient{
			Address: address, State: ledger.Sending, Attempts: was.Attempts, NextAttempt: rec.NextAttempt, Doubts: was.Doubts,
		})
	}
}

// Conclude puts a verdict into a row. before is what was known of the recipients
// before the transaction. Where nobody was asked, what the row says of the last
// answer stays.
func Conclude(rec *ledger.Record, before []ledger.Recipient, v Verdict, a Attempt, describe func(error) ledger.Cause) {
	_, kept := Pending(nil, before)
	rec.Recipients = append(kept, v.Recipients...)
	rec.State = ledger.Worst(rec.Recipients)
	rec.NextAttempt = time.Time{}
	switch {
	case rec.State == ledger.Forwarded:
		rec.ForwardedAt, rec.CopyFile, rec.TraceLines, rec.Chosen, rec.Cause = a.Now, "", "", "", ledger.Cause{}
	case len(v.Recipients) > 0:
		rec.Cause = describe(&MessageError{Outcome: v.Outcome, Held: rec.State == ledger.Held})
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

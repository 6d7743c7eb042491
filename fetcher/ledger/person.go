package ledger

import "time"

// CauseSkipped is the code of the cause of a message that a person skipped.
const CauseSkipped = "skipped_by_person"

// Retryable tells whether a person can have a message in this state tried at
// once. Forwarded and Sending would arrive twice; one that is Gone has nothing
// to send, and is taken up by itself if it comes back.
func (s State) Retryable() bool { return s.Skippable() || s == Skipped }

// Skippable tells whether a person can have a message in this state left alone
// for good.
func (s State) Skippable() bool { return s == Held || s == Deferred || s == Unknown }

// Retry makes a message due at this time, as if nothing had failed so far:
// whatever its back-off, the number of its attempts, or the reason why it was
// skipped. Recipients that have it stay Forwarded, and its trace stays the
// same, so that a second copy can be told. It returns false, and changes
// nothing, where the state is not Retryable.
func (r *Record) Retry(now time.Time) bool {
	if !r.State.Retryable() {
		return false
	}
	if r.State == Skipped {
		r.Cause = Cause{} // no failure; the others keep theirs until the next attempt
	}
	r.State, r.Attempts, r.NextAttempt = Deferred, 0, now
	r.MissingSince = time.Time{} // the next listing tells anew whether it is Gone
	for i := range r.Recipients {
		if rcpt := &r.Recipients[i]; rcpt.State != Forwarded {
			rcpt.State, rcpt.Attempts, rcpt.NextAttempt = Deferred, 0, now
		}
	}
	return true
}

// Skip has a message left alone for good: it is neither sent nor deleted. Its
// recipients stay as they are, so that a later Retry knows who has it. It
// returns false, and changes nothing, where the state is not Skippable.
func (r *Record) Skip() bool {
	if !r.State.Skippable() {
		return false
	}
	r.State, r.NextAttempt = Skipped, time.Time{}
	r.Cause = Cause{Code: CauseSkipped, Text: "skipped by a person"}
	r.Excerpt = Excerpt{MessageID: r.Excerpt.MessageID} // nothing is left to decide
	return true
}

package ledger

import "time"

// CauseSkipped is the code of the cause of a message that the user skipped.
const CauseSkipped = "skipped_by_person"

// Retryable reports whether the user can have a message in this state tried
// again at once. A Forwarded or Sending message would arrive twice. There is
// nothing to send of one that is Gone; if it comes back it is tried by itself.
func (s State) Retryable() bool { return s.Skippable() || s == Skipped }

// Skippable reports whether the user can have a message in this state left alone
// for good.
func (s State) Skippable() bool { return s == Held || s == Deferred || s == Unknown }

// Retry makes a message due now, as if nothing had failed so far: its back-off,
// its attempts and the reason why it was skipped are cleared. Recipients that
// have it stay Forwarded, and its trace stays the same, so that a second copy
// can be recognised. If the state is not Retryable, Retry returns false and
// changes nothing.
func (r *Record) Retry(now time.Time) bool {
	if !r.State.Retryable() {
		return false
	}
	if r.State == Skipped {
		r.Cause = Cause{} // no failure; the others keep theirs until the next attempt
	}
	if r.CopyFile != "" && r.Cause.Code == CauseIncomplete && !r.MissingSince.IsZero() {
		r.Cause = Cause{} // there is only the copy: it is sent as it is, even if it may not be whole
	}
	r.State, r.Attempts, r.NextAttempt = Deferred, 0, now
	r.MissingSince = time.Time{} // the next listing decides again whether it is Gone
	for i := range r.Recipients {
		if rcpt := &r.Recipients[i]; rcpt.State != Forwarded {
			rcpt.State, rcpt.Attempts, rcpt.NextAttempt = Deferred, 0, now
		}
	}
	return true
}

// Skip has a message left alone for good: it is neither sent nor deleted. Its
// recipients stay as they are, so that a later Retry knows who has it. If the
// state is not Skippable, Skip returns false and changes nothing.
func (r *Record) Skip() bool {
	if !r.State.Skippable() {
		return false
	}
	r.State, r.NextAttempt = Skipped, time.Time{}
	r.Cause = Cause{Code: CauseSkipped, Text: "skipped by the user"}
	r.Excerpt = Excerpt{MessageID: r.Excerpt.MessageID} // the rest was for the decision
	return true
}

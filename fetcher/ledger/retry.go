package ledger

import (
	"fmt"
	"time"
)

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
	switch {
	case r.Cause.Code == CauseFiltered:
		r.Chosen = ChosenOwn // the user decides otherwise than the filter
	case !r.MayHaveArrived() && r.Chosen != ChosenOwn:
		r.Chosen = "" // what chose its recipients may have been mended
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
			rcpt.State, rcpt.Attempts, rcpt.NextAttempt, rcpt.Doubts = Deferred, 0, now, 0
		}
	}
	return true
}

// Interrupt ends what a process had begun that died: for recipients in state
// Sending it is in doubt whether the message was accepted. The message becomes
// Unknown, and is sent again; it is Held if that was the last of MaxDoubts in a
// row, for it may be the message at which popferry ends. Recipients who have the
// message or refused it stay as they are. Where the process did not die, but has lost
// the ledger, the doubt says nothing about the message and does not count.
func (r *Record) Interrupt(ledgerLost bool) {
	interrupted := interrupted
	if ledgerLost {
		interrupted = outOfReach
	}
	held := false
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		switch rcpt.State {
		case Forwarded, Held:
			continue
		case Sending:
			if !ledgerLost {
				rcpt.Doubts++
			}
		}
		rcpt.State, rcpt.Code, rcpt.Text = Unknown, 0, interrupted
		if rcpt.Doubts >= MaxDoubts {
			rcpt.State, rcpt.NextAttempt, rcpt.Text = Held, time.Time{}, killed
			held = true
		}
	}
	r.State, r.Cause = Worst(r.Recipients), Cause{Code: CauseInterrupted, Text: interrupted}
	if held {
		r.Cause = Cause{Code: CauseKilled, Text: killed}
	}
	if r.State == Held {
		r.NextAttempt = time.Time{}
	}
}

const (
	interrupted = "popferry ended before it had the destination's answer on disk"
	outOfReach  = "the ledger was out of reach before the destination's answer was on disk"
)

var killed = fmt.Sprintf("%s, %d times in a row; each time the message may have arrived", interrupted, MaxDoubts)

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

package outcome

import (
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// maxDeferred is how many messages in a row a destination may defer with one
// code, accepting none, before the account pauses.
const maxDeferred = 5

// A message without a whole reply may have arrived, and is sent again. It may be at
// fault itself, so others go on; but each of them may come twice, so that the poll ends
// once this has happened maxUnansweredInRow times with none accepted in between, or
// maxUnanswered times in all. Messages that were under way together count once.
const (
	maxUnansweredInRow = 2
	maxUnanswered      = 3
)

// Pause is how long an account pauses at most that a destination defers
// everything of: others may pass, and new mail should not wait for long.
const Pause = 10 * time.Minute

// refusalRetry is how often one of the messages that a destination refused,
// while it refused everything, is tried again.
const refusalRetry = time.Hour

// Breaker is the set of circuit breakers of one poll: it watches the results of
// its messages and decides when they show that the route or the destination is at
// fault, or that everything is refused. Evidence against something wider than a
// message needs several messages with none accepted in between; one that is
// accepted closes it again. It is not safe for concurrent use.
type Breaker struct {
	name        string // the destination's
	lastSuccess time.Time
	refusals    ledger.Refusals
	doubtful    bool // they were when the poll began: one that accepts others in the same poll is well
	accepted    int
	lost        int // connections in a row that ended in a transaction
	deferred    int // messages in a row that were deferred with one code after they were sent
	code        int // that code
	unanswered  int // times that messages got no whole reply
	inRow       int // of these, since one was accepted
	ended       time.Time
}

// NewBreaker returns a closed breaker for a destination that last accepted a
// message at lastSuccess. refusals are those in a row of earlier polls.
func NewBreaker(destination string, lastSuccess time.Time, refusals ledger.Refusals) *Breaker {
	return &Breaker{name: destination, lastSuccess: lastSuccess, refusals: refusals, doubtful: refusals.Doubtful()}
}

// Accepted is the number of messages that the destination took in this poll.
func (b *Breaker) Accepted() int { return b.accepted }

// Refusals are the refusals in a row.
func (b *Breaker) Refusals() ledger.Refusals { return b.refusals }

// TakeEnded returns, once, the Since of many refusals in a row that an accepted
// message has ended: the messages among them are to be tried once more. Zero:
// there were none.
func (b *Breaker) TakeEnded() time.Time {
	ended := b.ended
	b.ended = time.Time{}
	return ended
}

// OthersPassed reports whether the destination has accepted other messages since
// the last attempt of this one.
func (b *Breaker) OthersPassed(before *ledger.Record) bool {
	return b.accepted > 0 || before.Attempts > 0 && !b.lastSuccess.Before(lastAttempt(before))
}

// Refuse notes a message that was refused for good after it was sent, or for all of its
// recipients, before its row is written. It returns the Since of the refusals that it is one of. A message that
// was tried before, while others were accepted in between, is not one of them, and the
// time is zero: then it is the message. chosen is as in ledger.Refusals.
func (b *Breaker) Refuse(before *ledger.Record, chosen bool, now time.Time) time.Time {
	if before.Attempts > 0 && b.OthersPassed(before) {
		return time.Time{}
	}
	now = now.Truncate(time.Millisecond) // as the ledger keeps it
	if b.refusals.Count == 0 {
		b.refusals.Since = now
	}
	b.refusals.Count++
	b.refusals.Chosen = b.refusals.Chosen || chosen
	b.refusals.RetryAt = now.Add(refusalRetry)
	return b.refusals.Since
}

// TakeBack takes back a refusal whose Refuse returned that time: its message was left as
// if it had not been tried, and will be refused again.
func (b *Breaker) TakeBack(since time.Time) {
	if b.refusals.Count == 0 || !b.refusals.Since.Equal(since) {
		return // one was accepted meanwhile
	}
	if b.refusals.Count--; b.refusals.Count == 0 {
		b.refusals = ledger.Refusals{}
	}
}

// Unanswered is how often messages got no whole reply in this poll. Those that were
// under way together count once.
func (b *Breaker) Unanswered() int { return b.unanswered }

// Record notes a finished delivery, of a message that was begun when Unanswered was
// that much. The error, if not nil, is why nothing more
// should be sent in this poll: a *DestinationError, *RouteError, *PausedError, or
// forwarder.ErrCrowded.
func (b *Breaker) Record(v Verdict, state ledger.State, unanswered int) error {
	o := v.Outcome
	if v.Accepted {
		b.accept()
	}
	if errors.Is(o.Err, forwarder.ErrCrowded) {
		return forwarder.ErrCrowded
	}
	switch v.Blame {
	case Throttled, DestinationFault:
		return &DestinationError{Name: b.name, Outcome: o}
	case RouteFault:
		return &RouteError{Name: b.name, Outcome: o}
	default: // NoRoom: whether it is the message's size, the next one shows
	}
	switch v.Effect {
	case InDoubt:
		if unanswered == b.unanswered { // else it is known of one that was under way with it
			b.unanswered++
			b.inRow++
		}
		if b.inRow >= maxUnansweredInRow || b.unanswered >= maxUnanswered {
			return &RouteError{Name: b.name, Outcome: o}
		}
		return nil
	case ConnectionLost:
		switch b.lost++; {
		case b.lost < maxLost:
			return nil
		case o.Stage == forwarder.StageDot: // 421, when it had seen the message: others may pass
			return &PausedError{Name: b.name, Outcome: o}
		}
		return &DestinationError{Name: b.name, Outcome: o}
	case NoEffect, Rollback:
	}
	b.lost = 0
	if v.Accepted {
		return nil
	}
	if state != ledger.Deferred || o.Kind != forwarder.Refused || o.Stage < forwarder.StageData {
		return nil
	}
	if o.Code != b.code {
		b.deferred, b.code = 0, o.Code
	}
	if b.deferred++; b.deferred >= maxDeferred && b.accepted == 0 {
		return &PausedError{Name: b.name, Outcome: o}
	}
	return nil
}

// accept closes everything.
func (b *Breaker) accept() {
	b.accepted++
	b.lost, b.deferred, b.inRow = 0, 0, 0
	if b.refusals.Everything() || b.doubtful {
		b.ended = b.refusals.Since
	}
	b.refusals, b.doubtful = ledger.Refusals{}, false
}

// lastAttempt is about when a message was tried last: its next attempt less its
// back-off.
func lastAttempt(rec *ledger.Record) time.Time {
	if rec.NextAttempt.IsZero() {
		return rec.FirstAttempt
	}
	a := Attempt{Now: rec.NextAttempt, First: rec.FirstAttempt, Number: rec.Attempts}
	return rec.NextAttempt.Add(-a.Next().Sub(a.Now))
}

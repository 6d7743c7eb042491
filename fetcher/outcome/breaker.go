package outcome

import (
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// maxStreak is how many messages in a row a destination may refuse with one
// code before the fault counts as its own.
const maxStreak = 5

// Breaker is the circuit breaker between one poll and its destination: it
// watches what becomes of the messages and opens when they show that the
// destination is at fault. It is not safe for concurrent use.
type Breaker struct {
	lastSuccess time.Time
	accepted    int // messages that the destination took in this poll
	lost        int // connections in a row that ended in a transaction
	streak      []Refusal
	streakCode  int
	openCode    int // the code that the destination refused everything with
}

// NewBreaker returns a closed breaker. lastSuccess is when the destination last
// accepted a message, as the ledger has it.
func NewBreaker(lastSuccess time.Time) *Breaker { return &Breaker{lastSuccess: lastSuccess} }

// Delivery is a finished transaction as the breaker sees it.
type Delivery struct {
	Before   ledger.Record
	After    *ledger.Record
	Envelope Envelope
	Verdict  Verdict
}

// Refusal is a message that was refused, and for whom it was put in quarantine.
type Refusal struct {
	Record      *ledger.Record
	Quarantined []string
}

// Accepted is the number of messages that the destination took.
func (b *Breaker) Accepted() int { return b.accepted }

// Record notes a delivery. It returns the messages to be requeued, because the
// destination turned out to be at fault and not they, and reports whether
// nothing more should be sent in this poll.
func (b *Breaker) Record(d Delivery) (requeue []Refusal, open bool) {
	b.lost++
	if d.Verdict.Effect != ConnectionLost {
		b.lost = 0
	}
	requeue = b.refusal(d)
	return requeue, len(requeue) > 0 || d.Verdict.Effect == InDoubt || b.lost >= maxLost
}

// refusal adds a refusal to the streak and returns the streak once it is long
// enough. Refusals of a message's size, content or sender do not count. Nor does
// a message that was in a streak before, if the destination has accepted others
// since: then it is the message. An accepted message ends a streak.
func (b *Breaker) refusal(d Delivery) []Refusal {
	o, quarantined := d.Verdict.Outcome, d.Verdict.Quarantined
	acceptedSince := b.accepted > 0 || !b.lastSuccess.Before(d.Before.NextAttempt)
	switch {
	case d.After.State == ledger.Forwarded && len(quarantined) == 0:
		b.accepted++
		b.streak, b.streakCode = nil, 0
		return nil
	case d.After.State != ledger.Held && len(quarantined) == 0, o.Kind != forwarder.Refused,
		d.Before.Attempts > 0 && acceptedSince, o.AboutContent(),
		d.Envelope.OwnSender && o.AboutSender() && o.Stage < forwarder.StageData:
		return nil
	case o.Code != b.streakCode:
		b.streak, b.streakCode = nil, o.Code
	}
	b.streak = append(b.streak, Refusal{d.After, quarantined})
	// Once the fault is the destination's, that goes for messages on their way too.
	if len(b.streak) < maxStreak && b.openCode != o.Code {
		return nil
	}
	list := b.streak
	b.streak, b.streakCode, b.openCode = nil, 0, o.Code
	return list
}

// Requeue makes the message due again: nothing is known against it. It reports
// whether the message was held, and not in quarantine for all who refused it.
func (f Refusal) Requeue(now time.Time) (wasHeld bool) {
	rec := f.Record
	wasHeld = rec.State == ledger.Held
	rec.State, rec.NextAttempt, rec.ForwardedAt = ledger.Deferred, now, time.Time{}
	for i, rc := range rec.Recipients {
		if rc.State == ledger.Held || slices.Contains(f.Quarantined, rc.Address) {
			rec.Recipients[i].State, rec.Recipients[i].NextAttempt = ledger.Deferred, now
		}
	}
	return wasHeld
}

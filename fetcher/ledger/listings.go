package ledger

import "time"

// Listings are the evidence by which rows of messages that have left their server
// may be forgotten: two listings that showed messages, of two days. The clock
// alone proves nothing, for it may be wrong. Both are zero until there were any.
type Listings struct {
	Before time.Time // the first of an earlier day
	Last   time.Time // the first of the latest day
}

// listingGap is the least time between two listings that count as of two days. It
// is less than a day, for those who poll once a day.
const listingGap = 20 * time.Hour

// Note notes a listing that showed messages. What was noted under a clock that has
// been set back since does not count.
func (l *Listings) Note(now time.Time) {
	switch gap := now.Sub(l.Last); {
	case l.Last.IsZero(), gap < -listingGap:
		*l = Listings{Last: now}
	case gap >= listingGap:
		l.Before, l.Last = l.Last, now
	}
}

// RowLife is how long the row of a message stays after its server was last seen to
// have it.
const RowLife = 90 * 24 * time.Hour

// Forget returns the time before which a message must have been seen last for its
// row to be forgotten: both listings have come RowLife after that without it. It is
// zero if nothing may be forgotten.
func (a Account) Forget(now time.Time) time.Time {
	l := a.Listings
	if l.Before.IsZero() || l.Last.Sub(now) >= listingGap {
		return time.Time{}
	}
	return l.Before.Add(-RowLife)
}

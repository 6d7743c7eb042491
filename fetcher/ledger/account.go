package ledger

import (
	"bytes"
	"encoding/json"
	"time"
)

// Account is what is remembered of one account. Times are zero where nothing
// has happened yet.
type Account struct {
	ID int64
	Identity
	// Listed is when the first whole listing was read. Messages that appear later
	// are new mail.
	Listed      time.Time
	LastPoll    time.Time
	LastSuccess time.Time
	Planned
	Failures int // consecutive polls that failed
	// NotBefore is when the account may be polled again after failures, unless what
	// failed was changed: LoginFacts.Tried.
	NotBefore time.Time
	Cause     Cause // of the last failure, zero after a success
	OnServer  int   // messages in the last whole listing
	Postponed int   // of these, messages that the last poll left for later ones
	Server    ServerFacts
	UIDs      UIDState
	Refusals  Refusals // in a row, of messages to its destination
	Listings  Listings
}

// Planned is what the time of the next poll follows from.
type Planned struct {
	// Began is when the last poll began that was not stopped on its way.
	Began time.Time
	// Settings are those with which that was; "": not known.
	Settings string
	// NextPoll is when its process planned the next one; zero: it has no schedule.
	NextPoll time.Time
}

// UIDState says whether the UIDs on the server can be compared with those in
// the ledger.
type UIDState uint8

const (
	// UIDsStable: a UID means the same message as before.
	UIDsStable UIDState = iota
	// UIDsRenumbered: the server has given new UIDs to all messages. Nothing is
	// sent until the user runs popferry adopt or popferry resend.
	UIDsRenumbered
	// UIDsAdopting: the user has run popferry adopt. The next poll records every
	// unknown message as Skipped, and goes back to UIDsStable.
	UIDsAdopting
)

// Durable returns a without the fields that a ledger may lose in a power
// failure: when polls ran, how they ended and the back-off that follows. No
// message depends on them.
func (a Account) Durable() Account {
	a.LastPoll, a.LastSuccess, a.Planned, a.NotBefore = time.Time{}, time.Time{}, Planned{}, time.Time{}
	a.Failures, a.Cause, a.OnServer, a.Postponed, a.Listings = 0, Cause{}, 0, 0, Listings{}
	a.Server.LastLogin, a.Server.LastBody, a.Server.MostBodies, a.Server.BadLogins = time.Time{}, time.Time{}, 0, 0
	a.Server.Tried, a.Server.Given, a.Server.Timeline = Tried{}, Given{}, ""
	a.Server.LookFailed, a.Server.PassedSince = time.Time{}, time.Time{}
	return a
}

// SameDurably reports whether a and b differ at most in what a ledger may lose in a
// power failure.
func (a Account) SameDurably(b Account) bool {
	a, b = a.Durable(), b.Durable()
	// Whether a fact was seen in this poll is not stored.
	before, err1 := json.Marshal(a.Server)
	after, err2 := json.Marshal(b.Server)
	a.Server, b.Server = ServerFacts{}, ServerFacts{}
	return a == b && bytes.Equal(before, after) && err1 == nil && err2 == nil
}

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
// zero if nothing may be forgotten. Nor may it before this version's first whole poll:
// it notes whether the server hides mail.
func (a Account) Forget(now time.Time) time.Time {
	l := a.Listings
	if a.Began.IsZero() || l.Before.IsZero() || l.Last.Sub(now) >= listingGap {
		return time.Time{}
	}
	return l.Before.Add(-RowLife)
}

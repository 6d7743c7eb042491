package identify

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Policy is what an account takes from its mailbox and what it leaves there.
type Policy struct {
	// Keep leaves messages on the server: forever, or for KeepFor after they
	// were forwarded if that is not 0. Without it they are deleted once
	// forwarded.
	Keep    bool
	KeepFor time.Duration
	// ClockOff: the time may be wrong, and nothing is deleted by its age.
	ClockOff bool
	// OnlyNew skips what is there at the first poll.
	OnlyNew bool
	// FirstAge skips what is older at the first poll; 0: nothing is too old.
	FirstAge time.Duration
	// Order is that of messages that were not tried before.
	Order Order
	// MaxMessages is how many messages a poll fetches; 0: all that are due.
	MaxMessages int
	// MaxSize in octets: larger messages are skipped; 0: no limit.
	MaxSize int64
	// MinInterval is the least time between two logins, also on request.
	MinInterval time.Duration
}

// Expired reports whether a message forwarded at that time is to be deleted now.
// One whose time cannot be right is as old as nobody knows, and stays.
func (p Policy) Expired(forwarded, now time.Time) bool {
	switch {
	case !p.Keep:
		return true
	case p.KeepFor == 0 || p.ClockOff || !ledger.Believable(forwarded, now):
		return false
	default:
		return !now.Before(forwarded.Add(p.KeepFor))
	}
}

// KeepsLonger reports whether messages are to stay for more than so many days.
func (p Policy) KeepsLonger(days int) bool {
	return p.Keep && (p.KeepFor == 0 || p.KeepFor > time.Duration(days)*24*time.Hour)
}

// Allows reports whether a message of that size is to be fetched.
func (p Policy) Allows(size int64) bool { return p.MaxSize <= 0 || size <= p.MaxSize }

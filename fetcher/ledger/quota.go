package ledger

import (
	"errors"
	"time"
)

// Quota is how much a destination may be sent in a time, by all accounts together.
// The zero value has no limits.
type Quota struct {
	Key      string // for whom is counted: a server and its user
	Limits   []Limit
	Accounts int // that share it
}

// Limit is the most that may be sent within any time of length Per. One of Messages
// and Octets is 0: not limited.
type Limit struct {
	Amount
	Per time.Duration // Minute at least
}

// Amount is how much was sent, or is to be sent.
type Amount struct {
	Messages, Octets int64
}

// Usage is what was sent within the last Limit.Per.
type Usage struct {
	All Amount // by all accounts
	Own Amount // by one of them
}

// Minute is how exactly times are kept of what was sent: all of a minute counts until
// its last moment is Per ago.
const Minute = time.Minute

// ErrQuotaUsedUp: not even a smaller message may be sent now. Nothing was written.
var ErrQuotaUsedUp = errors.New("the destination's rate is used up for now")

// ErrQuotaTooSmall: a smaller message could be sent now. Nothing was written.
var ErrQuotaTooSmall = errors.New("the message is larger than what is left of the destination's rate")

// Admits returns nil if one account may send that now; used has an entry for each of
// the limits. Else it is ErrQuotaUsedUp or ErrQuotaTooSmall.
func (q Quota) Admits(used []Usage, a Amount) error {
	for i, l := range q.Limits {
		switch {
		case !l.admits(used[i], Amount{Messages: a.Messages, Octets: 1}, q.Accounts):
			return ErrQuotaUsedUp
		case !l.admits(used[i], a, q.Accounts):
			return ErrQuotaTooSmall
		}
	}
	return nil
}

// Add notes that one account has sent that.
func (q Quota) Add(used []Usage, a Amount) {
	for i := range q.Limits {
		used[i] = Usage{All: used[i].All.plus(a), Own: used[i].Own.plus(a)}
	}
}

func (a Amount) plus(b Amount) Amount {
	return Amount{Messages: a.Messages + b.Messages, Octets: a.Octets + b.Octets}
}

// admits reports whether one of so many accounts may send that. The last quarter is
// for those that have sent less than their share, so that one with a backlog leaves
// something for the new mail of the others. An account that has sent nothing may send one
// message of any size that fits.
func (l Limit) admits(used Usage, a Amount, accounts int) bool {
	fits := func(most, all, own, more int64) bool {
		const reserved = 4 // one in
		switch share := most / int64(max(1, accounts)); {
		case most == 0:
			return true
		case all+more > most:
			return false
		default:
			return own == 0 || own+more <= share || all+more <= most-most/reserved
		}
	}
	return fits(l.Messages, used.All.Messages, used.Own.Messages, a.Messages) && fits(l.Octets, used.All.Octets, used.Own.Octets, a.Octets)
}

// QuotaLife is how long it is remembered what was sent. No limit is for longer.
const QuotaLife = 24*time.Hour + Minute

package ledger

import (
	"errors"
	"fmt"
	"strings"
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
	NextPoll    time.Time // as the running daemon planned it; zero if none runs
	Failures    int       // consecutive polls that failed
	// NotBefore is when the account may be polled again after failures, unless what
	// failed was changed: LoginFacts.Tried.
	NotBefore time.Time
	Cause     Cause // of the last failure, zero after a success
	OnServer  int   // messages in the last whole listing
	Server    ServerFacts
	UIDs      UIDState
	Refusals  Refusals // in a row, of messages to its destination
	Listings  Listings
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
	a.LastPoll, a.LastSuccess, a.NextPoll, a.NotBefore = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	a.Failures, a.Cause, a.OnServer, a.Listings = 0, Cause{}, 0, Listings{}
	a.Server.LastLogin, a.Server.LastBody, a.Server.MostBodies, a.Server.BadLogins = time.Time{}, time.Time{}, 0, 0
	a.Server.Tried = Tried{}
	return a
}

// Identity identifies a mailbox. UIDs mean nothing outside of their mailbox.
type Identity struct {
	Name     string // the account's name in the configuration
	Username string
	Host     string
}

// sameMailbox reports whether two identities mean one mailbox; the name does not
// matter.
func (i Identity) sameMailbox(o Identity) bool {
	return i.Username == o.Username && strings.EqualFold(i.Host, o.Host)
}

// ErrIdentity: the ledger knows an account's name for another mailbox.
var ErrIdentity = errors.New("another mailbox under a known name")

// Claim finds the known account of each configured one. It returns one Account
// for each claim, in order; an ID of 0 means that it is new. A known account
// whose name is not claimed goes, with its rows, to a claim for the same mailbox
// under a new name. A name that is known for another mailbox is ErrIdentity,
// because the UIDs of one mailbox must never count as seen in another. All such
// errors are returned, joined.
func Claim(known []Account, claims []Identity) ([]Account, error) {
	byName := make(map[string]Account, len(known))
	for _, a := range known {
		byName[a.Name] = a
	}
	claimed := make(map[string]bool, len(claims))
	for _, c := range claims {
		claimed[c.Name] = true
	}
	out := make([]Account, len(claims))
	var errs []error
	for i, c := range claims {
		a, ok := byName[c.Name]
		switch {
		case ok && !a.sameMailbox(c):
			errs = append(errs, fmt.Errorf("account %[1]q: %[2]w: it was %[3]s at %[4]s, and is now %[5]s at %[6]s; "+
				"if the mailbox has moved, run popferry rename %[1]q %[1]q --username %[5]q --host %[6]q; "+
				"if you no longer need the old one, run popferry forget %[1]q; otherwise give the new mailbox another name",
				c.Name, ErrIdentity, a.Username, a.Host, c.Username, c.Host))
		case !ok:
			a = takeOver(known, claimed, c)
		}
		a.Identity = c
		out[i] = a
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// takeOver finds a known account of the same mailbox whose name is not claimed,
// and marks it as claimed. It returns the zero Account if there is none.
func takeOver(known []Account, claimed map[string]bool, c Identity) Account {
	for _, a := range known {
		if a.sameMailbox(c) && !claimed[a.Name] {
			claimed[a.Name] = true
			return a
		}
	}
	return Account{}
}

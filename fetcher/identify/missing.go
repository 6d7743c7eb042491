package identify

import (
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Missing compares the listing with the one before: gone are rows whose messages
// have left without having been forwarded, left are the others that are no
// longer listed, and back are those that are listed again. An empty listing is
// believed only for those of which there is a copy that may not be whole: nothing is
// lost by that. Rows with a copy of their own do not depend on the listing.
func Missing(v View) (gone, left, back []*ledger.Known) {
	x := v.indexed()
	for i, k := range v.Known.All() {
		switch listedBefore, listed := k.MissingSince.IsZero(), x.mayBeListed(i, k); {
		case k.CopyFile != "" && !MayBePart(k) || listedBefore == listed:
		case len(v.Entries) == 0 && !MayBePart(k):
		case listed:
			back = keep(back, k)
		case Undelivered(k) && k.CopyFile == "":
			gone = keep(gone, k)
		default:
			left = keep(left, k)
		}
	}
	return gone, left, back
}

// keep adds a row to a list. Only those that are kept get memory of their own.
func keep(list []*ledger.Known, k ledger.Known) []*ledger.Known { return append(list, &k) }

// Undelivered reports whether a row's message is still to be forwarded, or held.
func Undelivered(k ledger.Known) bool {
	return k.State == ledger.Deferred || k.State == ledger.Unknown || k.State == ledger.Held
}

// Retrieved is what the server did with the messages that an earlier session fetched
// and did not delete.
type Retrieved uint8

const (
	// NotKnown: there were too few of them, or they contradict each other.
	NotKnown Retrieved = iota
	// Hidden: at least three, and none is listed any more. Their owner may have
	// deleted them, too.
	Hidden
	// Kept: one is listed.
	Kept
)

// least is how many messages are to vanish for that to be no accident.
const least = 3

// LeftUnasked reports whether so many of these rows' messages were forwarded and then
// left without having been deleted that the server may hide them, if only after a time.
func LeftUnasked(vanished []*ledger.Known) bool {
	n := 0
	for _, k := range vanished {
		if k.State == ledger.Forwarded && NotDeleted(*k) {
			n++
		}
	}
	return n >= least
}

// WhatBecame says what the server did with the messages that were fetched and not
// deleted. One that was given out and is still listed shows that the server keeps
// them, unless most of those have gone: it may be too large to be hidden. That the
// server hides them is shown by three or more that the session of lastLogin fetched, if
// none is listed, or by any that was not delivered: an owner hardly deletes what he has
// not got. vanished are the rows that are missing since the last listing.
func WhatBecame(v View, vanished []*ledger.Known, given ledger.Given, lastLogin time.Time) Retrieved {
	forever := v.Policy.Keep && v.Policy.KeepFor == 0
	fetched := func(k *ledger.Known) bool {
		switch {
		case !NotDeleted(*k):
			return false
		case k.State == ledger.Forwarded:
			return forever && !k.ForwardedAt.Before(lastLogin)
		default:
			return Undelivered(*k) && k.Fingerprint != "" && k.Cause.Code != ledger.CauseIncomplete
		}
	}
	x := v.indexed()
	last, kept, left := 0, 0, 0
	for i, k := range v.Known.All() {
		switch listed := x.listed[i] && k.MissingSince.IsZero(); {
		case !slices.Contains(given[:], k.ID) || !NotDeleted(k):
		case listed && k.Fingerprint != "":
			kept++
		case !listed && k.State == ledger.Forwarded && forever:
			left++
		}
		if k.MissingSince.IsZero() && fetched(&k) {
			last++
		}
	}
	switch {
	case kept > 0 && left >= least && left > kept:
		return NotKnown
	case kept > 0:
		return Kept
	}
	gone, undelivered := 0, 0
	for _, k := range vanished {
		if k.MissingSince.IsZero() && fetched(k) {
			gone++
			if Undelivered(*k) {
				undelivered++
			}
		}
	}
	if gone == last && (gone >= least || undelivered > 0) {
		return Hidden
	}
	return NotKnown
}

// MayBePart reports whether the copy of a message may not be whole: it was shorter
// than listed, and did not come a second time.
func MayBePart(k ledger.Known) bool {
	return k.CopyFile != "" && k.Cause.Code == ledger.CauseIncomplete
}

// InPart reports whether a message never came whole as far as is known, and what came
// was kept, and perhaps sent. Only its octets tell which message it is.
func InPart(k ledger.Known) bool {
	return k.Fingerprint == "" && (k.CopyFile != "" || k.State == ledger.Forwarded)
}

// Parts are the rows of messages that came in part. It is never nil.
func Parts(v *View) []ledger.Known {
	parts := []ledger.Known{}
	for _, k := range v.Known.All() {
		if InPart(k) {
			parts = append(parts, k)
		}
	}
	return parts
}

// Orphaned are messages of which there is only a copy that may not be whole: two
// listings in a row lack them. The user decides.
func Orphaned(v View) []ledger.Known {
	x := v.indexed()
	var list []ledger.Known
	for i, k := range v.Known.All() {
		if MayBePart(k) && k.State.Due() && !x.listed[i] && !k.MissingSince.IsZero() {
			list = append(list, k)
		}
	}
	return list
}

// DueCopies are the messages whose retained copy is due, except those that are
// planned already. waiting counts those that are not due yet. Copies that may not be
// whole are among them with parts, for a server that gives nothing twice; not those
// of messages that it lists.
func DueCopies(v View, planned []Candidate, parts bool) (due []Candidate, waiting int) {
	x := v.indexed()
	have := make(map[int64]bool)
	for _, c := range planned {
		if c.Known.CopyFile != "" {
			have[c.Known.ID] = true
		}
	}
	for i, k := range v.Known.All() {
		switch {
		case k.CopyFile == "" || !k.State.Due() || have[k.ID]:
		case MayBePart(k) && (!parts || x.listed[i]):
		case !v.Asked && ledger.Waiting(v.Now, k.NextAttempt):
			if !x.listed[i] { // else it is counted already
				waiting++
			}
		default:
			due = append(due, copyOf(k))
		}
	}
	return due, waiting
}

// copyOf is a message that is sent from its copy.
func copyOf(k ledger.Known) Candidate {
	return Candidate{Entry: pop3.Entry{UID: k.UID, Size: k.Size}, Known: &k}
}

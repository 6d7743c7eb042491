package identify

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Missing compares the listing with the one before: gone are rows whose messages
// have left without having been forwarded, left are the others that are no
// longer listed, and back are those that are listed again. An empty listing is
// not believed. Rows with a copy of their own do not depend on the listing.
func Missing(v View) (gone, left, back []ledger.Known) {
	if len(v.Entries) == 0 {
		return nil, nil, nil
	}
	x := v.indexed()
	for i, k := range v.Known {
		switch listedBefore, listed := k.MissingSince.IsZero(), x.mayBeListed(i, k); {
		case k.CopyFile != "" && !MayBePart(k) || listedBefore == listed:
		case listed:
			back = append(back, k)
		case undelivered(k) && k.CopyFile == "":
			gone = append(gone, k)
		default:
			left = append(left, k)
		}
	}
	return gone, left, back
}

// undelivered reports whether a row's message is still to be forwarded, or held.
func undelivered(k ledger.Known) bool {
	return k.State == ledger.Deferred || k.State == ledger.Unknown || k.State == ledger.Held
}

// Retrieved says what has become of the messages that an earlier session fetched
// and did not delete.
type Retrieved uint8

const (
	// NotKnown: there were too few of them.
	NotKnown Retrieved = iota
	// Hidden: at least three, and none is listed any more. Their owner may have
	// deleted them, too.
	Hidden
	// Kept: one is listed.
	Kept
)

// WhatBecame says what has become of the messages that the session of lastLogin,
// or one after it, fetched and did not delete. vanished are the rows that are
// missing since then.
func WhatBecame(v View, vanished []ledger.Known, lastLogin time.Time) Retrieved {
	const least = 3
	fetchedLast := func(k *ledger.Known) bool {
		switch {
		case !NotDeleted(*k) || k.CopyFile != "" || !k.MissingSince.IsZero():
			return false
		case k.State == ledger.Forwarded:
			return v.Policy.Keep && v.Policy.KeepFor == 0 && !k.ForwardedAt.Before(lastLogin)
		default:
			return undelivered(*k) && k.Fingerprint != ""
		}
	}
	x := v.indexed()
	fetched := 0
	for i := range v.Known {
		if !fetchedLast(&v.Known[i]) {
			continue
		}
		if x.listed[i] {
			return Kept
		}
		fetched++
	}
	if fetched >= least && count(vanished, func(k ledger.Known) bool { return fetchedLast(&k) }) == fetched {
		return Hidden
	}
	return NotKnown
}

// MayBePart reports whether the copy of a message may not be whole: it was shorter
// than listed, and did not come a second time.
func MayBePart(k ledger.Known) bool {
	return k.CopyFile != "" && k.Cause.Code == ledger.CauseIncomplete
}

// Orphaned are messages of which there is only a copy that may not be whole: two
// listings in a row lack them. The user decides.
func Orphaned(v View) []ledger.Known {
	if len(v.Entries) == 0 {
		return nil
	}
	x := v.indexed()
	var list []ledger.Known
	for i, k := range v.Known {
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
	have := make(map[int64]bool, len(planned))
	for _, c := range planned {
		have[c.Known.ID] = true
	}
	for i, k := range v.Known {
		switch {
		case k.CopyFile == "" || !k.State.Due() || have[k.ID]:
		case MayBePart(k) && (!parts || x.listed[i]):
		case !v.Asked && ledger.Waiting(v.Now, k.NextAttempt):
			waiting++
		default:
			due = append(due, Candidate{Entry: pop3.Entry{UID: k.UID, Size: k.Size}, Known: k})
		}
	}
	return due, waiting
}

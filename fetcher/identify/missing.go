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
		switch listedBefore, listed := k.MissingSince.IsZero(), x.listed[i]; {
		case !NotDeleted(k) || k.CopyFile != "" || listedBefore == listed:
		case listed:
			back = append(back, k)
		case undelivered(k):
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

// RetrHides reports whether the server hides what was retrieved: of the messages
// that the session of lastLogin fetched and did not delete, at least three, none
// is listed any more. vanished are the rows that are missing since then.
func RetrHides(v View, vanished []ledger.Known, lastLogin time.Time) bool {
	const least = 3
	fetchedLast := func(k ledger.Known) bool {
		switch {
		case !NotDeleted(k) || k.CopyFile != "" || !k.MissingSince.IsZero():
			return false
		case k.State == ledger.Forwarded:
			return v.Policy.Keep && v.Policy.KeepFor == 0 && !k.ForwardedAt.Before(lastLogin)
		default:
			return undelivered(k)
		}
	}
	if len(vanished) < least { // most polls end here
		return false
	}
	n := count(vanished, fetchedLast)
	return n >= least && n == count(v.Known, fetchedLast)
}

// DueCopies are the messages whose retained copy is due, except those that are
// planned already. waiting counts those that are not due yet.
func DueCopies(v View, planned []Candidate) (due []Candidate, waiting int) {
	have := make(map[int64]bool, len(planned))
	for _, c := range planned {
		have[c.Known.ID] = true
	}
	for _, k := range v.Known {
		switch {
		case k.CopyFile == "" || !k.State.Due() || have[k.ID]:
		case !v.Asked && ledger.Waiting(v.Now, k.NextAttempt):
			waiting++
		default:
			due = append(due, Candidate{Entry: pop3.Entry{UID: k.UID, Size: k.Size}, Known: k})
		}
	}
	return due, waiting
}

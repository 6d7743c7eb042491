package identify

import (
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Pair matches rows with messages of the same fingerprint, one to one. emptied is
// View.Emptied.
func Pair(rows []*ledger.Known, entries []pop3.Entry, prints []Print, emptied bool) []Match {
	moved, _, _ := pair(rows, entries, prints, lastListed(emptied))
	return moved
}

// lastListed reports whether a row's message may not have been in the last listing. Of
// one that never came whole that does not matter: it is fetched in any case.
func lastListed(emptied bool) doubt {
	return func(k *ledger.Known, _ Print) bool {
		return (emptied || !listedLastTime(k)) && k.Cause.Code != ledger.CauseIncomplete
	}
}

// orAlike adds to a doubt that any message may have the header of one that has left. Only
// where no field identifies a message is it told by its octets already.
func orAlike(other doubt) doubt {
	return func(k *ledger.Known, p Print) bool {
		return !p.Headless && k.Cause.Code != ledger.CauseIncomplete || other(k, p)
	}
}

// doubt reports whether a message with a weak header may be another than that of the
// row with this header.
type doubt func(*ledger.Known, Print) bool

// anyProven reports whether a message has the header of a row, and one that no two
// messages share: it is there under another UID.
func anyProven(rows []*ledger.Known, prints []Print) bool {
	headers := make(map[string]bool)
	for _, k := range rows {
		headers[ledger.HeaderFingerprint(k.Fingerprint)] = k.Fingerprint != ""
	}
	return slices.ContainsFunc(prints, func(p Print) bool {
		return !p.Weak && headers[ledger.HeaderFingerprint(p.Fingerprint)]
	})
}

// pair matches by fingerprint. left are the rows without one, rest the messages that
// may be new. Where the header is weak the listed size counts, too, and a message
// under another UID is only matched if it is not unsure that its row's was there until
// now, and there are no more such messages than rows. Else one may be another with the
// same header: it is in neither list, and is compared whole once it was fetched. If
// unsure is nil, nothing is.
func pair(rows []*ledger.Known, entries []pop3.Entry, prints []Print, unsure doubt) (moved []Match, left []*ledger.Known, rest []pop3.Entry) {
	byHeader := make(map[string][]*ledger.Known)
	for _, k := range rows {
		if k.Fingerprint == "" {
			left = append(left, k)
			continue
		}
		header := ledger.HeaderFingerprint(k.Fingerprint)
		byHeader[header] = append(byHeader[header], k)
	}
	crowded := moreThanRows(entries, prints, rows)
	for i, e := range entries {
		print := prints[i]
		header := ledger.HeaderFingerprint(print.Fingerprint)
		same := byHeader[header]
		fits := func(k *ledger.Known) bool {
			return !print.another(k) && (!print.Weak || e.Size >= 0 && e.Size == k.Size)
		}
		j := slices.IndexFunc(same, func(k *ledger.Known) bool { return k.UID == e.UID && fits(k) })
		if j < 0 && unsure != nil {
			j = slices.IndexFunc(same, func(k *ledger.Known) bool { return fits(k) && !unsure(k, print) })
		}
		if j < 0 {
			j = slices.IndexFunc(same, fits)
		}
		switch {
		case j < 0:
			rest = append(rest, e)
		case print.Weak && unsure != nil && same[j].UID != e.UID && (crowded[alike{header, e.Size}] || unsure(same[j], print)):
		default:
			moved = append(moved, Match{Entry: e, Known: *same[j]})
			byHeader[header] = slices.Delete(same, j, j+1)
		}
	}
	return moved, left, rest
}

// alike are messages that have the same weak header and size.
type alike struct {
	header string // ledger.HeaderFingerprint
	size   int64
}

// moreThanRows are those of which there are more messages than rows.
func moreThanRows(entries []pop3.Entry, prints []Print, rows []*ledger.Known) map[alike]bool {
	var more map[alike]int
	for i, e := range entries {
		if prints[i].Weak {
			if more == nil {
				more = make(map[alike]int)
			}
			more[alike{ledger.HeaderFingerprint(prints[i].Fingerprint), e.Size}]++
		}
	}
	if more == nil {
		return nil
	}
	for _, k := range rows {
		more[alike{ledger.HeaderFingerprint(k.Fingerprint), k.Size}]--
	}
	crowded := make(map[alike]bool)
	for a, n := range more {
		if n > 0 {
			crowded[a] = true
		}
	}
	return crowded
}

// Others are the entries that are not among those that were matched.
func Others(entries []pop3.Entry, matched []Match) []pop3.Entry {
	if len(matched) == 0 {
		return entries
	}
	numbers := make(map[int]bool, len(matched))
	for _, m := range matched {
		numbers[m.Number] = true
	}
	return slices.DeleteFunc(slices.Clone(entries), func(e pop3.Entry) bool { return numbers[e.Number] })
}

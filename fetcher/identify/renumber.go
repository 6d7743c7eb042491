package identify

import (
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// A mailbox counts as renumbered when at least so many UIDs have vanished, and at
// least this part of those that were left on the server.
const (
	MinRenumbered  = 10
	renumberedPart = 0.9
)

// Renumbered reports whether a listing looks like that of a server that was moved:
// nearly all UIDs of the last listing have vanished, and nearly as many unknown
// ones, or more, have appeared. Not all, because some messages may have been
// deleted on the way.
func Renumbered(v *View) (vanished []ledger.Known, unknown []pop3.Entry, is bool) {
	x := v.indexed()
	left := 0
	for i := range v.Known {
		k := &v.Known[i]
		if !listedLastTime(k) {
			continue
		}
		left++
		if !x.listed[i] {
			vanished = append(vanished, *k)
		}
	}
	for i, e := range v.Entries {
		if x.first[i] < 0 {
			unknown = append(unknown, e)
		}
	}
	n := len(vanished)
	return vanished, unknown, n >= MinRenumbered && float64(n) >= renumberedPart*float64(left) && float64(len(unknown)) >= renumberedPart*float64(n)
}

// Rematch pairs rows with messages of the same fingerprint, one to one. It reports
// certain as false if messages are left over and so are rows without a
// fingerprint: which of them were forwarded cannot be told then.
func Rematch(vanished []ledger.Known, unknown []pop3.Entry, fingerprints []string) (moved []Match, certain bool) {
	byFingerprint := make(map[string][]ledger.Known)
	unidentified := 0
	for _, k := range vanished {
		if k.Fingerprint == "" {
			unidentified++
			continue
		}
		byFingerprint[k.Fingerprint] = append(byFingerprint[k.Fingerprint], k)
	}
	rest := 0
	for i, e := range unknown {
		rows := byFingerprint[fingerprints[i]]
		if len(rows) == 0 {
			rest++
			continue
		}
		moved = append(moved, Match{Entry: e, Known: rows[0]})
		byFingerprint[fingerprints[i]] = rows[1:]
	}
	// With many fingerprints of which none is there, the mailbox was emptied.
	emptied := len(moved) == 0 && unidentified <= len(vanished)/2
	return moved, unidentified == 0 || rest == 0 || emptied
}

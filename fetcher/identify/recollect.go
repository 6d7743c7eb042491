package identify

import (
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Recollect pairs all rows with all messages of a listing by their headers, and by
// their sizes where sessions end at them. moved are those that are under another UID,
// displaced the rows whose UID belongs to another message now.
func Recollect(v *View, prints []Print, breaking Breaking) (moved []Match, displaced []*ledger.Known) {
	x := v.indexed()
	var rows []*ledger.Known
	for _, k := range v.Known.All() {
		if NotDeleted(k) && k.Fingerprint != "" {
			rows = keep(rows, k)
		}
	}
	found, taken := make(map[int64]bool), make(map[int]bool) // rows, and the numbers of their messages
	for _, m := range slices.Concat(Pair(rows, v.Entries, prints, v.Emptied), breaking.Pair(v.Entries)) {
		found[m.Known.ID], taken[m.Number] = true, true
		if m.UID != m.Known.UID {
			moved = append(moved, m)
		}
	}
	return moved, displacedBy(v, func(i int, k *ledger.Known) bool {
		sent := k.Fingerprint != "" || k.State == ledger.Forwarded // as it came, if it never came whole
		another := sent && prints[i].another(k)
		return !found[k.ID] && (another || taken[v.Entries[i].Number]) && x.doubled[v.Entries[i].UID] == nil
	})
}

// Fetched are the rows whose messages were fetched and whose UIDs are listed. Where
// UIDs are numbers and the server gives each message once, their UIDs may be those of
// other messages now.
func Fetched(v *View) []*ledger.Known {
	return displacedBy(v, func(_ int, k *ledger.Known) bool { return k.Fingerprint != "" || fetchedInPart(k) })
}

// FetchedInPart are those among Fetched whose headers cannot be compared.
func FetchedInPart(v *View) []*ledger.Known {
	return displacedBy(v, func(_ int, k *ledger.Known) bool { return fetchedInPart(k) })
}

// fetchedInPart reports whether a message came in part and is not asked for again: else
// what comes then shows whether it is the same.
func fetchedInPart(k *ledger.Known) bool {
	return InPart(*k) && !(MayBePart(*k) && k.State.Due())
}

// displacedBy are the rows that were in the last listing, are under the UID of the i-th
// entry, and are what is asked for.
func displacedBy(v *View, is func(i int, k *ledger.Known) bool) (rows []*ledger.Known) {
	x := v.indexed()
	for i := range v.Entries {
		for row := x.first[i]; row >= 0; row = x.after(row) {
			if k := v.Known.At(int(row)); listedLastTime(&k) && is(i, &k) {
				rows = keep(rows, k)
			}
		}
	}
	return rows
}

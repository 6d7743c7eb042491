package identify

import "github.com/popferry/popferry/fetcher/ledger"

// newestRows is how many of the newest rows are looked at by LostNewest. Rows of one
// poll may be in another order than their messages.
const newestRows = 32

// LostNewest reports whether one of the newest messages of the last listing has left
// without having been deleted by popferry. Its owner may have deleted it; but a mailbox
// that was set back from a backup begins like that, too, and its server may give the
// UIDs of lost messages to new ones.
func LostNewest(v *View) bool {
	x := v.indexed()
	seen := 0
	for i := v.Known.Len() - 1; i >= 0 && seen < newestRows; i-- {
		k := v.Known.At(i)
		if !listedLastTime(&k) || k.CopyFile != "" { // what has a copy does not depend on the listing
			continue
		}
		if seen++; !x.listed[i] {
			return true
		}
	}
	return false
}

// Newest returns the messages, at most so many, that come last in the listing of those
// that are known by UID and size alone, though their rows have fingerprints. first is
// the first of all in the listing, or the same as the first of newest if there are no
// more. Messages at which a session ended are not among them.
func Newest(v *View, most int) (first Match, newest []Match) {
	for m := range v.recognizable() {
		if m.Size != m.Known.Size || !m.Known.NextAttempt.IsZero() {
			continue
		}
		if first.Known.ID == 0 {
			first = m
		}
		if len(newest) == 2*most { // there may be a million
			newest = newest[:copy(newest, newest[most:])]
		}
		newest = append(newest, m)
	}
	return first, newest[max(0, len(newest)-most):]
}

// OthersUnder are those of the messages whose headers are not those of their rows: their
// server has given the UIDs to other messages.
func OthersUnder(ms []Match, prints []Print) (rows []*ledger.Known) {
	for i, m := range ms {
		if prints[i].another(&m.Known) {
			rows = keep(rows, m.Known)
		}
	}
	return rows
}

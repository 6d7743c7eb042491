package identify

import (
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Ambiguity is a UID that does not show by itself which message is which.
type Ambiguity struct {
	Entries []pop3.Entry
	Rows    []ledger.Known
}

// Decided is the row of a message under the UID about which there is nothing more to
// decide; zero if there is none. A message that is gone is none: the time of its next try
// says nothing about what is listed.
func (a Ambiguity) Decided() ledger.Known {
	i := slices.IndexFunc(a.Rows, func(k ledger.Known) bool { return !k.State.Due() && k.State != ledger.Gone })
	if i < 0 {
		return ledger.Known{}
	}
	return a.Rows[i]
}

// bySize matches the messages that have a size of their own. The rest, if any, is
// ambiguous.
func (p *Plan) bySize(v *View, entries []pop3.Entry, rows []ledger.Known) {
	listed := make(map[int64]int)
	for _, e := range entries {
		listed[e.Size]++
	}
	bySize := make(map[int64][]ledger.Known)
	for _, k := range rows {
		bySize[k.Size] = append(bySize[k.Size], k)
	}
	var rest []pop3.Entry
	matched := make(map[int64]bool)
	for _, e := range entries {
		same := bySize[e.Size]
		if e.Size < 0 || listed[e.Size] != 1 || len(same) != 1 || !listedLastTime(&same[0]) {
			rest = append(rest, e)
			continue
		}
		// With the other rows: a listing with a wrong size may have made a second
		// row of a message whose first one has no fingerprint.
		p.found(v, e, &same[0], without(rows, same[0]))
		matched[same[0].ID] = true
	}
	if len(rest) > 0 {
		left := slices.DeleteFunc(slices.Clone(rows), func(k ledger.Known) bool { return matched[k.ID] })
		p.Ambiguous = append(p.Ambiguous, Ambiguity{Entries: rest, Rows: left})
	}
}

// without are the rows except one.
func without(rows []ledger.Known, k ledger.Known) []ledger.Known {
	return slices.DeleteFunc(slices.Clone(rows), func(r ledger.Known) bool { return r.ID == k.ID })
}

// ResolveByFingerprint matches the messages of an ambiguous UID with its rows, one
// to one: first by fingerprint, then, for rows without one, by size. Messages
// that are left over, or matched by size alone, are compared once more after
// they were fetched, before they are sent. So are those with a weak header whose row
// was not in the last listing: they may be others with the same header.
func (p *Plan) ResolveByFingerprint(v View, c Ambiguity, prints []Print) {
	if duplicates(c, prints) {
		p.found(&v, c.Entries[0], &c.Rows[0], nil)
		for i := range c.Entries[1:] {
			p.skip(Skip{Entry: &c.Entries[1+i], Reason: Duplicate, Cause: &c.Rows[0].Cause})
		}
		p.sort(v.Policy.Order)
		return
	}
	rows := slices.Clone(c.Rows)
	matched := make([]Match, len(c.Entries))
	for _, byFingerprint := range []bool{true, false} {
		for i, e := range c.Entries {
			j := slices.IndexFunc(rows, func(k ledger.Known) bool {
				return byFingerprint == (k.Fingerprint != "") && isUnderUID(k, prints[i], e.Size)
			})
			if matched[i].Known.ID != 0 || j < 0 {
				continue
			}
			matched[i] = Match{Entry: e, Known: rows[j]}
			rows = slices.Delete(rows, j, j+1)
		}
	}
	for i := range c.Entries {
		if matched[i].Known.ID == 0 {
			p.unknown(&v, &c.Entries[i], rows)
			continue
		}
		p.found(&v, c.Entries[i], &matched[i].Known, rows)
	}
	if len(c.Entries) == 1 && matched[0].Known.Fingerprint != "" {
		p.Displaced = append(p.Displaced, ListedParts(rows)...)
	}
	p.sort(v.Policy.Order)
}

// isUnderUID is Matches for a message under the UID of the row. Where the header is weak,
// one that was away is only that of a row which was left alone without its size. Of a
// message that came in part, and was away, there are octets to compare with.
func isUnderUID(k ledger.Known, print Print, size int64) bool {
	if InPart(k) && !listedLastTime(&k) {
		return false
	}
	if k.Fingerprint == "" || !print.Weak || listedLastTime(&k) {
		return Matches(k, print, size)
	}
	return k.State == ledger.Skipped && k.Size < 0 && ledger.SameFingerprint(k.Fingerprint, print.Fingerprint)
}

// ListedParts are the rows of which there is a copy that may not be whole, and whose
// messages count as listed.
func ListedParts(rows []ledger.Known) (parts []*ledger.Known) {
	for _, k := range rows {
		if MayBePart(k) && listedLastTime(&k) {
			parts = keep(parts, k)
		}
	}
	return parts
}

// duplicates reports whether all entries are the one message that another program
// had fetched. Copies may share a UID (RFC 1939 section 7), and a program that
// keeps a list of UIDs has seen each of them. Of messages that differ it has seen
// only one, and it is not known which.
func duplicates(c Ambiguity, prints []Print) bool {
	if len(c.Rows) != 1 || !c.Rows[0].OnlyUID() || prints[0].Fingerprint == "" {
		return false
	}
	for i, e := range c.Entries {
		if prints[i] != prints[0] || e.Size != c.Entries[0].Size {
			return false
		}
	}
	return true
}

// found plans for a message that was matched with a row. others are the rows that
// were left over.
func (p *Plan) found(v *View, e pop3.Entry, k *ledger.Known, others []ledger.Known) {
	if e.Size != k.Size {
		p.Resized = append(p.Resized, Match{Entry: e, Known: *k})
	}
	before := len(p.Due)
	p.known(v, e, k)
	if len(p.Due) > before && k.Fingerprint == "" { // its size alone proves nothing
		p.Due[before].Others = others
	}
}

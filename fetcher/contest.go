package fetcher

import (
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// contest is a UID that does not tell by itself which message is which.
type contest struct {
	Entries []pop3.Entry
	Rows    []ledger.Known
}

// bySize matches what has a size of its own, and leaves the rest, if any, to
// a contest.
func (p *plan) bySize(v *view, entries []pop3.Entry, rows []ledger.Known) {
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
		if e.Size < 0 || listed[e.Size] != 1 || len(same) != 1 || !steady(&same[0]) {
			rest = append(rest, e)
			continue
		}
		// The rivals too: a listing with a wrong size may have made a second row
		// of a message whose first one never came to a fingerprint.
		p.found(v, match{Entry: e, Known: same[0]}, without(rows, same[0]))
		matched[same[0].ID] = true
	}
	if len(rest) > 0 {
		left := slices.DeleteFunc(slices.Clone(rows), func(k ledger.Known) bool { return matched[k.ID] })
		p.Contests = append(p.Contests, contest{Entries: rest, Rows: left})
	}
}

// without are the rows but for one.
func without(rows []ledger.Known, k ledger.Known) []ledger.Known {
	return slices.DeleteFunc(slices.Clone(rows), func(r ledger.Known) bool { return r.ID == k.ID })
}

// decide ends a contest with the entries' fingerprints, one to one: first by
// fingerprint, then with rows that have none by size. What is left over, and
// what is only known by its size, is fetched and compared once more before it
// is sent.
func (p *plan) decide(v view, c contest, prints []string) {
	if copies(c, prints) {
		p.found(&v, match{Entry: c.Entries[0], Known: c.Rows[0]}, nil)
		for _, e := range c.Entries[1:] {
			p.Skip = append(p.Skip, skip{Entry: e, Reason: copied, Cause: c.Rows[0].Cause})
		}
		p.sort()
		return
	}
	rows := slices.Clone(c.Rows)
	matched := make([]match, len(c.Entries))
	for _, byPrint := range []bool{true, false} {
		for i, e := range c.Entries {
			j := slices.IndexFunc(rows, func(k ledger.Known) bool { return byPrint == (k.Fingerprint != "") && is(k, prints[i], e.Size) })
			if matched[i].Known.ID != 0 || j < 0 {
				continue
			}
			matched[i] = match{Entry: e, Known: rows[j]}
			rows = slices.Delete(rows, j, j+1)
		}
	}
	for i, e := range c.Entries {
		if matched[i].Known.ID == 0 {
			p.unknown(&v, e, rows)
			continue
		}
		p.found(&v, matched[i], rows)
	}
	p.sort()
}

// copies tells whether all entries are the one message that another program had
// fetched: copies may share a UID (RFC 1939 section 7), and to a program with a
// list of UIDs each of them was seen. Of what differs only one was, and nobody
// knows which.
func copies(c contest, prints []string) bool {
	if len(c.Rows) != 1 || !c.Rows[0].OnlyUID() || prints[0] == "" {
		return false
	}
	for i, e := range c.Entries {
		if prints[i] != prints[0] || e.Size != c.Entries[0].Size {
			return false
		}
	}
	return true
}

// found places what a contest has found to be known. rivals are the rows that
// were left over.
func (p *plan) found(v *view, m match, rivals []ledger.Known) {
	if m.Size != m.Known.Size {
		p.Resized = append(p.Resized, m)
	}
	before := len(p.Due)
	p.known(v, m.Entry, &m.Known)
	if len(p.Due) > before && m.Known.Fingerprint == "" { // its size alone proves nothing
		p.Due[before].Rivals = rivals
	}
}

// is tells whether a message with this fingerprint and listed size is that of
// a row. A row without a fingerprint, of a message that was never fetched or
// has nothing to tell it by, is told by its size.
func is(k ledger.Known, print string, size int64) bool {
	if k.Fingerprint == "" {
		return size >= 0 && size == k.Size
	}
	return k.Fingerprint == print
}

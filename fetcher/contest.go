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

// doubledUIDs finds UIDs that stand more than once in a listing.
func doubledUIDs(entries []pop3.Entry) map[string][]pop3.Entry {
	count := make(map[string]int, len(entries))
	for _, e := range entries {
		count[e.UID]++
	}
	doubled := make(map[string][]pop3.Entry)
	for _, e := range entries {
		if count[e.UID] > 1 {
			doubled[e.UID] = append(doubled[e.UID], e)
		}
	}
	return doubled
}

// bySize matches what has a size of its own, and leaves the rest, if any, to
// a contest.
func (p *plan) bySize(v view, entries []pop3.Entry, rows []ledger.Known) {
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
		if e.Size < 0 || listed[e.Size] != 1 || len(same) != 1 || !steady(same[0]) {
			rest = append(rest, e)
			continue
		}
		p.known(v, match{Entry: e, Known: same[0]})
		matched[same[0].ID] = true
	}
	if len(rest) > 0 {
		left := slices.DeleteFunc(slices.Clone(rows), func(k ledger.Known) bool { return matched[k.ID] })
		p.Contests = append(p.Contests, contest{Entries: rest, Rows: left})
	}
}

// decide ends a contest with the entries' fingerprints, one to one. An entry
// whose fingerprint could not be had, or is like that of no row, is fetched,
// and compared once more before it is sent.
func (p *plan) decide(v view, c contest, prints []string) {
	rows, rivals, uid := slices.Clone(c.Rows), c.Rows, c.Entries[0].UID
	var rest []pop3.Entry
	for i, e := range c.Entries {
		j := slices.IndexFunc(rows, func(k ledger.Known) bool { return is(k, prints[i], e.Size) })
		if j < 0 {
			rest = append(rest, e)
			continue
		}
		m := match{Entry: e, Known: rows[j]}
		if e.Size != rows[j].Size {
			p.Resized = append(p.Resized, m)
		}
		p.known(v, m)
		rows = slices.Delete(rows, j, j+1)
	}
	for i := range p.Due { // a row without a fingerprint proves nothing yet
		if c := &p.Due[i]; c.Known.ID != 0 && c.Known.UID == uid && c.Known.Print == "" {
			c.Rivals = rivals
		}
	}
	for _, e := range rest {
		p.unknown(v, e, rows)
	}
	p.sort()
}

// is tells whether a message with this fingerprint and listed size is that of
// a row. A row without a fingerprint, of a message that was never fetched or
// has nothing to tell it by, is told by its size.
func is(k ledger.Known, print string, size int64) bool {
	if k.Print == "" {
		return size >= 0 && size == k.Size
	}
	return k.Print == print
}

package identify

import (
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// index shows which rows and which entries of a listing share a UID. A poll uses
// it several times, and nearly always there is one of each, so it is made once
// and has no list for each UID.
type index struct {
	first []int32 // for each entry, the first row with its UID; -1: none
	next  []int32 // for each row, the next one with its UID; -1: none. nil if there is none for any
	// listed shows for each row whether its UID is in the listing.
	listed []bool
	// doubled are the entries whose UID stands more than once in the listing.
	doubled map[string][]pop3.Entry
}

// newIndex compares a listing with the rows.
func newIndex(entries []pop3.Entry, known []ledger.Known) *index {
	x := &index{first: make([]int32, len(entries)), listed: make([]bool, len(known))}
	rows := make(map[string]int32, len(known))
	for i := len(known) - 1; i >= 0; i-- { // backwards, so that the lists go forwards
		if after, ok := rows[known[i].UID]; ok {
			x.link(int32(i), after)
		}
		rows[known[i].UID] = int32(i)
	}
	fresh := make(map[string]bool) // UIDs without a row
	again := make(map[string]bool)
	for i, e := range entries {
		row, ok := rows[e.UID]
		switch {
		case !ok:
			x.first[i] = -1
			if fresh[e.UID] {
				again[e.UID] = true
			}
			fresh[e.UID] = true
			continue
		case x.listed[row]:
			again[e.UID] = true
		}
		x.first[i] = row
		for ; row >= 0; row = x.after(row) {
			x.listed[row] = true
		}
	}
	x.double(entries, again)
	return x
}

// link notes that one row follows another under the same UID.
func (x *index) link(row, after int32) {
	if x.next == nil {
		x.next = make([]int32, len(x.listed))
		for i := range x.next {
			x.next[i] = -1
		}
	}
	x.next[row] = after
}

func (x *index) after(row int32) int32 {
	if x.next == nil {
		return -1
	}
	return x.next[row]
}

// double collects the entries under these UIDs.
func (x *index) double(entries []pop3.Entry, again map[string]bool) {
	if len(again) == 0 {
		return
	}
	x.doubled = make(map[string][]pop3.Entry, len(again))
	for _, e := range entries {
		if again[e.UID] {
			x.doubled[e.UID] = append(x.doubled[e.UID], e)
		}
	}
}

// rows are the rows under the UID of the i-th entry, in their order.
func (x *index) rows(i int, known []ledger.Known) []ledger.Known {
	row := x.first[i]
	if row < 0 {
		return nil
	}
	if x.after(row) < 0 {
		return known[row : row+1 : row+1]
	}
	var out []ledger.Known
	for ; row >= 0; row = x.after(row) {
		out = append(out, known[row])
	}
	return out
}

// mayBeListed reports whether a row's message may be in the listing. Where a
// deleted message's UID belongs to later rows, it is theirs.
func (x *index) mayBeListed(i int, k ledger.Known) bool {
	if NotDeleted(k) || !x.listed[i] {
		return x.listed[i]
	}
	entries := max(1, len(x.doubled[k.UID]))
	for row := x.after(int32(i)); row >= 0; row = x.after(row) {
		entries--
	}
	return entries > 0
}

package pop3

import (
	"slices"
	"strings"
)

const (
	// maxBlock is how many entries of a table are allocated at once, and
	// uidBlock how many octets of UIDs: this much memory may be held by one
	// UID that outlives its listing.
	maxBlock, uidBlock = 4096, 4 << 10
)

// table collects entries in the order they arrive.
type table struct {
	entries   []Entry // after order all of them, before that the last block
	full      [][]Entry
	uids      strings.Builder // the UIDs of the last entries
	number    int             // of the last entry
	unsorted  bool
	malformed int
	last      int // where find stopped
}

// add appends an entry. The entries are in blocks until their number is known,
// because a growing slice is copied over and over.
func (t *table) add(n int, uid []byte, size int64) {
	if k := len(t.entries); k == cap(t.entries) {
		if k > 0 {
			t.full = append(t.full, t.entries)
		}
		t.entries = make([]Entry, 0, min(max(16, 2*k), maxBlock))
	}
	t.entries = append(t.entries, Entry{Number: n, UID: t.keep(uid), Size: size})
	t.unsorted = t.unsorted || n <= t.number
	t.number = n
}

// keep makes a UID a string. Many share one block, because a separate string
// costs more than the octets of most.
func (t *table) keep(uid []byte) string {
	if t.uids.Cap()-t.uids.Len() < len(uid) {
		t.uids.Reset()
		t.uids.Grow(max(uidBlock, len(uid)))
	}
	start := t.uids.Len()
	t.uids.Write(uid)
	return t.uids.String()[start:]
}

// order joins the blocks and sorts by number. Of entries with the same number the
// first stays and the others count as malformed.
func (t *table) order() {
	if len(t.full) > 0 {
		t.entries, t.full = slices.Concat(append(t.full, t.entries)...), nil
	}
	if !t.unsorted {
		return
	}
	slices.SortStableFunc(t.entries, func(a, b Entry) int { return a.Number - b.Number })
	all := len(t.entries)
	t.entries = slices.CompactFunc(t.entries, func(a, b Entry) bool { return a.Number == b.Number })
	t.malformed += all - len(t.entries)
}

// find returns the entry with a number, or nil. It is fast for numbers that come
// in order.
func (t *table) find(n int) *Entry {
	if t.last < len(t.entries) && t.entries[t.last].Number == n {
		t.last++
		return &t.entries[t.last-1]
	}
	i, ok := slices.BinarySearchFunc(t.entries, n, func(e Entry, n int) int { return e.Number - n })
	if !ok {
		return nil
	}
	t.last = i + 1
	return &t.entries[i]
}

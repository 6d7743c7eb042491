package pop3

import (
	"fmt"
	"slices"
)

// maxUIDs is how many octets the UIDs of a listing may have together.
const maxUIDs = 128 << 20

// table collects entries in whatever order they come.
type table struct {
	entries  []Entry
	octets   int // of all UIDs
	unsorted bool
	junk     int
	last     int // where find stopped
}

// add appends an entry, within limits.
func (t *table) add(e Entry, limit int) error {
	if t.octets += len(e.UID); t.octets > maxUIDs || len(t.entries) >= limit {
		return fmt.Errorf("a listing of more than %d messages or %d octets", limit, maxUIDs)
	}
	if k := len(t.entries); k > 0 && t.entries[k-1].Number >= e.Number {
		t.unsorted = true
	}
	t.entries = append(t.entries, e)
	return nil
}

// order sorts by number. Of entries with one number the first stays, the
// others are junk: only one message can be meant.
func (t *table) order() {
	if !t.unsorted {
		return
	}
	slices.SortStableFunc(t.entries, func(a, b Entry) int { return a.Number - b.Number })
	all := len(t.entries)
	t.entries = slices.CompactFunc(t.entries, func(a, b Entry) bool { return a.Number == b.Number })
	t.junk += all - len(t.entries)
}

// find returns the entry with a number, or nil. It is quick for numbers that
// come in order.
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

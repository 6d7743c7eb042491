package identify

import (
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// index shows which rows and which entries of a listing share a UID. A poll uses
// it several times, and nearly always there is one of each, so it is made once
// and has no list for each UID.
type index struct {
	byUID *places // of the rows
	first []int32 // for each entry, the first row with its UID; -1: none
	next  []int32 // for each row, the next one with its UID; -1: none. nil if there is none for any
	// listed shows for each row whether its UID is in the listing.
	listed  []bool
	unknown int // entries without a row
	// doubled are the entries whose UID stands more than once in the listing.
	doubled map[string][]pop3.Entry
}

// newIndex compares a listing with the rows.
func newIndex(entries []pop3.Entry, known *ledger.Rows) *index {
	x := &index{first: make([]int32, len(entries)), listed: make([]bool, known.Len())}
	rows := newPlaces(known.Len(), func(i uint32) string { return known.UID(int(i)) })
	x.byUID = rows
	for i := known.Len() - 1; i >= 0; i-- { // backwards, so that the lists go forwards
		if after := rows.put(known.UID(i), int32(i)); after >= 0 {
			x.link(int32(i), after)
		}
	}
	again := make(map[string]bool)
	for i, e := range entries {
		row := rows.find(e.UID)
		x.first[i] = row
		switch {
		case row < 0:
			x.unknown++
			continue
		case x.listed[row]:
			again[e.UID] = true
		}
		for ; row >= 0; row = x.after(row) {
			x.listed[row] = true
		}
	}
	fresh := newPlaces(x.unknown, func(i uint32) string { return entries[i].UID })
	for i, e := range entries {
		if x.first[i] < 0 && fresh.put(e.UID, int32(i)) >= 0 {
			again[e.UID] = true
		}
	}
	x.double(entries, again)
	return x
}

// places finds the place of a UID in a list. A map would take three times as much
// memory, which counts with a million messages.
type places struct {
	uid  func(place uint32) string
	seed maphash.Seed
	// slots have the upper half of a UID's hash and its place and 1; 0 is empty.
	// Less than half of them are taken.
	slots []uint64
}

// newPlaces is for so many UIDs of the list that uid is the access to.
func newPlaces(n int, uid func(place uint32) string) *places {
	return &places{uid: uid, seed: maphash.MakeSeed(), slots: make([]uint64, 1<<bits.Len(uint(2*n)))}
}

// find returns the place of a UID, or -1.
func (p *places) find(uid string) int32 {
	s, _ := p.slot(uid)
	return int32(uint32(*s)) - 1
}

// put notes the place of a UID and returns the one it had before, or -1.
func (p *places) put(uid string, place int32) (before int32) {
	s, tag := p.slot(uid)
	before, *s = int32(uint32(*s))-1, tag|uint64(place+1)
	return before
}

// slot is where a UID is, or is to be put: the first that is free behind where its
// hash points to.
func (p *places) slot(uid string) (s *uint64, tag uint64) {
	hash := maphash.String(p.seed, uid)
	tag = hash &^ math.MaxUint32
	for i := hash; ; i++ {
		s = &p.slots[i&uint64(len(p.slots)-1)]
		if *s == 0 || *s&^math.MaxUint32 == tag && p.uid(uint32(*s)-1) == uid {
			return s, tag
		}
	}
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

// rows appends the rows under the UID of the i-th entry to a list, in their order.
func (x *index) rows(list []ledger.Known, i int, known *ledger.Rows) []ledger.Known {
	for row := x.first[i]; row >= 0; row = x.after(row) {
		list = append(list, known.At(int(row)))
	}
	return list
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

// withoutRow are the entries under UIDs without a row.
func (x *index) withoutRow(entries []pop3.Entry) []pop3.Entry {
	if x.unknown == len(entries) {
		return entries // as at the first poll: no copy of a large mailbox
	}
	list := make([]pop3.Entry, 0, x.unknown)
	for i, e := range entries {
		if x.first[i] < 0 {
			list = append(list, e)
		}
	}
	return list
}

// NextGeneration is the next number for a message under a UID.
func (v *View) NextGeneration(uid string) int {
	x, next := v.indexed(), 0
	for row := x.byUID.find(uid); row >= 0; row = x.after(row) {
		next = max(next, v.Known.At(int(row)).Generation+1)
	}
	return next
}

// Doubled reports whether a UID stands more than once in the listing.
func (v *View) Doubled(uid string) bool { return len(v.indexed().doubled[uid]) > 0 }

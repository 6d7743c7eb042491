package identify

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// dueOf are candidates by their numbers, each of which has this size.
func dueOf(sizes ...int64) []Candidate {
	var due []Candidate
	for i, size := range sizes {
		due = append(due, NewCandidate(pop3.Entry{Number: i + 1, Size: size}))
	}
	return due
}

func numbersOf(due []Candidate) []int {
	out := []int{}
	for _, c := range due {
		out = append(out, c.Number)
	}
	return out
}

func TestOrder(t *testing.T) {
	t.Parallel()
	many := make([]int64, 22)
	for i := range many {
		many[i] = int64(100 - i) // the last is the smallest
	}
	for name, tt := range map[string]struct {
		order Order
		sizes []int64
		want  []int
	}{
		"listed":                     {Listed, []int64{3, 1, 2}, []int{1, 2, 3}},
		"newest first":               {NewestFirst, []int64{3, 1, 2}, []int{3, 2, 1}},
		"small first":                {SmallFirst, []int64{3, 1, 2}, []int{2, 3, 1}},
		"of one size":                {SmallFirst, []int64{2, 1, 2, 1}, []int{2, 4, 1, 3}},
		"every tenth by age":         {NewestFirst, many, []int{22, 21, 20, 19, 18, 17, 16, 15, 14, 1, 13, 12, 11, 10, 9, 8, 7, 6, 5, 2, 4, 3}},
		"every tenth by age, though": {SmallFirst, many, []int{22, 21, 20, 19, 18, 17, 16, 15, 14, 1, 13, 12, 11, 10, 9, 8, 7, 6, 5, 2, 4, 3}},
	} {
		due := dueOf(tt.sizes...)
		tt.order.Sort(due)
		if got := numbersOf(due); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Whatever the order, what failed before comes behind, and what breaks sessions last.
func TestOrderPutsFailedMessagesBehind(t *testing.T) {
	t.Parallel()
	for _, order := range []Order{Listed, NewestFirst, SmallFirst} {
		due := dueOf(make([]int64, 30)...)
		due[28].Known = &ledger.Known{Attempts: 1}
		due[29].Known = &ledger.Known{Cause: ledger.Cause{Code: ledger.CauseIncomplete}}
		order.Sort(due)
		if got := numbersOf(due[28:]); !slices.Equal(got, []int{29, 30}) {
			t.Errorf("order %d: the last are %v, want 29, 30", order, got)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	tried := func(due []Candidate, from int) []Candidate {
		for i := range due[from:] {
			due[from+i].Known = &ledger.Known{Attempts: 1}
		}
		return due
	}
	for name, tt := range map[string]struct {
		due  []Candidate
		room int
		want []int
	}{
		"room for all":              {dueOf(1, 1, 1), 3, []int{1, 2, 3}},
		"the first ones":            {dueOf(1, 1, 1), 2, []int{1, 2}},
		"none":                      {dueOf(1, 1), -1, []int{}},
		"one that failed before":    {tried(dueOf(1, 1, 1, 1, 1), 3), 2, []int{1, 4}},
		"a tenth of them":           {tried(dueOf(make([]int64, 30)...), 25), 20, slices.Concat(upTo(18), []int{26, 27})},
		"those that failed are few": {tried(dueOf(make([]int64, 41)...), 40), 30, slices.Concat(upTo(29), []int{41})},
	} {
		if got := numbersOf(Choose(tt.due, tt.room)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// Of each size the first messages are likely to be known, as many as there are rows whose
// messages are not listed. They go behind the new ones, and before those that failed.
func TestLikelyKnownLast(t *testing.T) {
	t.Parallel()
	row := func(id, size int64) ledger.Known {
		return ledger.Known{ID: id, UID: fmt.Sprint("old", id), State: ledger.Forwarded, Size: size, Fingerprint: "f"}
	}
	deleted := row(9, 10)
	deleted.DeletedAt = time.Unix(1, 0)
	for name, tt := range map[string]struct {
		sizes []int64 // listed
		rows  []ledger.Known
		seen  string // header of the second one
		draw  uint64
		want  []int
	}{
		"none is away":        {[]int64{10, 10}, []ledger.Known{deleted}, "", 0, []int{1, 2}},
		"of one size":         {[]int64{10, 10, 10, 10}, []ledger.Known{row(1, 10), row(2, 10)}, "", 0, []int{3, 4, 1, 2}},
		"but one was seen":    {[]int64{10, 10, 10, 10}, []ledger.Known{row(1, 10), row(2, 10)}, "seen", 0, []int{2, 3, 4, 1}},
		"of other sizes":      {[]int64{10, 20, 10, 20}, []ledger.Known{row(1, 20), row(2, 30)}, "", 0, []int{1, 3, 4, 2}},
		"not listed":          {[]int64{-1, -1, -1}, []ledger.Known{row(1, 20), row(2, 30)}, "", 0, []int{3, 1, 2}},
		"all of them":         {[]int64{10, 10, 10}, []ledger.Known{row(1, 10), row(2, 10), row(3, 10), row(4, 10)}, "", 4, []int{2, 3, 1}},
		"all, the other draw": {[]int64{10, 10, 10}, []ledger.Known{row(1, 10), row(2, 10), row(3, 10)}, "", 3, []int{1, 2, 3}},
	} {
		due := dueOf(tt.sizes...)
		here := row(50, 10) // listed first, under its UID
		v := View{Known: ledger.PackRows(append(tt.rows, here)...), Entries: []pop3.Entry{{Number: 50, UID: here.UID, Size: here.Size}}}
		for _, c := range due {
			v.Entries = append(v.Entries, c.Entry)
		}
		due = append(due, Candidate{Entry: pop3.Entry{Number: 99}, Known: &ledger.Known{ID: 99, Attempts: 1}})
		LikelyKnownLast(&v, due, map[int]string{2: tt.seen}, tt.draw)
		if got, want := numbersOf(due), append(tt.want, 99); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

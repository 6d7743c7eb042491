package ledger

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzRows: a row that was packed is read as it was, whatever is in it and wherever in
// a page it stands.
func FuzzRows(f *testing.F) {
	f.Add("uid-1", "print", "", "", "", int64(1), int64(1000), int64(0), uint8(Forwarded), uint8(0))
	f.Add("", "", "1-x.eml", "refused", "550 no\r\n\xff", int64(math.MaxInt64), int64(-1), int64(math.MaxInt32), uint8(Held), uint8(0xff))
	f.Add(strings.Repeat("u", 70_000), "\x00", "", "x", "", int64(-5), int64(math.MinInt64), int64(-1), uint8(255), uint8(0x55))
	f.Fuzz(func(t *testing.T, uid, print, file, code, text string, id, size, n int64, state, times uint8) {
		at := func(bit uint8) time.Time {
			if times&bit == 0 {
				return time.Time{}
			}
			return time.UnixMilli(n % (1 << 52)).UTC()
		}
		k := Known{
			ID: id, UID: uid, Generation: int(n), State: State(state), Size: size, Fingerprint: print, Attempts: int(size), Deletions: int(id), CopyFile: file, Cause: Cause{code, text},
			NextAttempt: at(1), ForwardedAt: at(2), DeletedAt: at(4), MissingSince: at(8),
		}
		small := Known{ID: 7, UID: "small", State: Skipped, Size: -1}
		want := []Known{small, k, small, k, k, small}
		r := PackRows(want...)
		for i, got := range r.All() {
			if got != want[i] || r.UID(i) != want[i].UID {
				t.Errorf("row %d is %+v with the UID %q, want %+v", i, got, r.UID(i), want[i])
			}
		}
		r.SortByID()
		if sorted := slices.IsSortedFunc(slices.Collect(values(r)), func(a, b Known) int { return cmp.Compare(a.ID, b.ID) }); !sorted || r.Len() != len(want) {
			t.Errorf("%d rows, want %d in the order of their IDs", r.Len(), len(want))
		}
	})
}

func values(r *Rows) func(func(Known) bool) {
	return func(yield func(Known) bool) {
		for _, k := range r.All() {
			if !yield(k) {
				return
			}
		}
	}
}

func TestNoRows(t *testing.T) {
	t.Parallel()
	var r *Rows
	for range r.All() {
		t.Error("nil has a row")
	}
	if r.Len() != 0 || PackRows().Len() != 0 {
		t.Error("there are rows where none were added")
	}
}

// Most mailboxes have few messages: their rows do not take a page.
func TestMemoryOfFewRows(t *testing.T) {
	const n = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		PackRows(Known{UID: "a"}, Known{UID: "b"})
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / n; got > 2000 {
		t.Errorf("two rows take %d octets, want 2000 at most", got)
	}
}

// A row takes about as much as its texts, and reading all of them takes nothing.
func TestMemoryOfRows(t *testing.T) {
	if testing.Short() {
		t.Skip("a million rows")
	}
	const n, octets = 1_000_000, 16 + 22 // of UID and fingerprint
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	allocated := func(do func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / n
	}
	uid := make([]string, n)
	for i := range uid {
		uid[i] = fmt.Sprintf("%016x", i)
	}
	r := NewRows(n)
	if got := allocated(func() {
		for i := range n {
			r.Add(&Known{ID: int64(i), UID: uid[i], State: Forwarded, Size: int64(i), Fingerprint: "0123456789abcdefghijkl", Attempts: 1, ForwardedAt: now, Cause: Cause{"too_large", "the message is too large"}})
		}
	}); got > octets+35 {
		t.Errorf("a row takes %d octets, want %d at most", got, octets+35)
	}
	sum := 0
	if got := allocated(func() {
		for i, k := range r.All() {
			sum += len(k.UID) + len(r.UID(i))
		}
	}); got > 0 || sum != 2*16*n {
		t.Errorf("to read a row takes %d octets, want none (%d)", got, sum)
	}
}

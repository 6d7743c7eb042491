package ledger

import (
	"fmt"
	"time"
)

// FactLife is how long popferry goes by what was seen of a server. Then it looks
// again.
const FactLife = 30 * 24 * time.Hour

// Fact is something that was seen of a server: the zero value of T stands for
// nothing. It holds in the poll that saw it, and for FactLife after it was last
// seen, unless it is contradicted before.
type Fact[T comparable] struct {
	Value T         `json:"value"`
	First time.Time `json:"first"` // seen with this value
	Last  time.Time `json:"last"`
	Count int       `json:"count"` // polls that saw it; beyond two, those that were a day or more apart
	now   bool      // seen in this poll; not stored
}

// refresh is how often a fact that is seen in each poll is noted: a poll without
// news is not to change the ledger.
const refresh = 24 * time.Hour

// See notes that v was seen. Another value than before is a new fact.
func (f *Fact[T]) See(v T, now time.Time) {
	var none T
	switch {
	case v == none:
		f.End()
	case v != f.Value || !f.fresh(now):
		*f = Fact[T]{Value: v, First: now, Last: now, Count: 1, now: true}
	case f.now: // one sighting a poll
	case f.Count < 2 || now.Sub(f.Last).Abs() >= refresh:
		f.Last, f.now = now, true
		f.Count++
	default:
		f.now = true
	}
}

// Prove notes that v was seen in a way that nothing else looks like.
func (f *Fact[T]) Prove(v T, now time.Time) {
	f.See(v, now)
	f.Count = max(f.Count, 2)
}

// End takes the fact back: something contradicts it.
func (f *Fact[T]) End() { *f = Fact[T]{} }

// Get is the value, from the first time on that it was seen; the zero value if it
// no longer holds.
func (f Fact[T]) Get(now time.Time) (v T) {
	if f.now || f.fresh(now) {
		return f.Value
	}
	return v
}

// Sure is Get for what a fault of the network can look like: it holds in the poll
// that saw it, and later only if a second poll has seen it.
func (f Fact[T]) Sure(now time.Time) (v T) {
	if f.now || f.Count >= 2 && f.fresh(now) {
		return f.Value
	}
	return v
}

// Recent is Get for what a server may change at any time, and costs little to see again:
// it holds for a day.
func (f Fact[T]) Recent(now time.Time) (v T) {
	if f.now || now.Sub(f.Last).Abs() < refresh {
		return f.Value
	}
	return v
}

// fresh reports whether what was seen last may still be so.
func (f Fact[T]) fresh(now time.Time) bool { return now.Sub(f.Last).Abs() < FactLife }

// FactView is a fact as it is shown.
type FactView struct {
	Name  string // as in the ledger, which is also what status --json shows
	Value string
	First time.Time
	Last  time.Time
	Count int
	Until time.Time // when it ends unless it is seen again
}

// view is the fact as it is shown; ok is false if it does not hold.
func (f Fact[T]) view(name string, now time.Time) (v FactView, ok bool) {
	var none T
	if f.Get(now) == none {
		return FactView{}, false
	}
	return FactView{Name: name, Value: fmt.Sprint(f.Value), First: f.First, Last: f.Last, Count: f.Count, Until: f.Last.Add(FactLife)}, true
}

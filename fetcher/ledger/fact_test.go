package ledger

import (
	"encoding/json"
	"testing"
	"time"
)

// TestFact: what was seen holds for 30 days; where the network may be to blame, in
// its poll only until a second poll has seen it.
func TestFact(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		seen  []time.Duration // each in a poll of its own
		asked time.Duration
		later bool // in a later poll than the last of them
		sure  bool
		holds bool
	}{
		"never":                         {},
		"once, in its poll":             {seen: []time.Duration{0}, sure: true, holds: true},
		"once, in a later poll":         {seen: []time.Duration{0}, asked: time.Minute, later: true, holds: true},
		"once, 30 days ago":             {seen: []time.Duration{0}, asked: 30 * day, later: true},
		"twice":                         {seen: []time.Duration{0, time.Hour}, asked: 2 * time.Hour, later: true, sure: true, holds: true},
		"twice, 29 days ago":            {seen: []time.Duration{0, day}, asked: 30 * day, later: true, sure: true, holds: true},
		"twice, 30 days ago":            {seen: []time.Duration{0, day}, asked: 31 * day, later: true},
		"twice, a month between":        {seen: []time.Duration{0, 31 * day}, asked: 32 * day, later: true, holds: true},
		"once more after a month":       {seen: []time.Duration{0, day, 40 * day}, asked: 41 * day, later: true, holds: true},
		"twice more after a month":      {seen: []time.Duration{0, day, 40 * day, 41 * day}, asked: 42 * day, later: true, sure: true, holds: true},
		"twice, and the clock set back": {seen: []time.Duration{400 * day, 401 * day}, asked: 0, later: true},
	} {
		var f Fact[int]
		for _, at := range test.seen {
			f = stored(t, f)
			f.See(7, noon.Add(at))
			f.See(7, noon.Add(at)) // the same poll
		}
		if test.later {
			f = stored(t, f)
		}
		for what, got := range map[string]int{"Sure": f.Sure(noon.Add(test.asked)), "Get": f.Get(noon.Add(test.asked))} {
			want := 0
			if what == "Sure" && test.sure || what == "Get" && test.holds {
				want = 7
			}
			if got != want {
				t.Errorf("%s: %s is %d, want %d", name, what, got, want)
			}
		}
	}
}

// TestFactEnds: what contradicts a fact takes it back, another value begins again,
// and a proof needs no second poll.
func TestFactEnds(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	later := noon.Add(time.Hour)
	twice := Fact[int]{Value: 7, First: noon, Last: noon, Count: 2}
	for name, test := range map[string]struct {
		change func(f *Fact[int])
		want   Fact[int]
	}{
		"contradicted":  {func(f *Fact[int]) { f.End() }, Fact[int]{}},
		"nothing seen":  {func(f *Fact[int]) { f.See(0, later) }, Fact[int]{}},
		"another value": {func(f *Fact[int]) { f.See(8, later) }, Fact[int]{Value: 8, First: later, Last: later, Count: 1}},
		"proven":        {func(f *Fact[int]) { f.Prove(8, later) }, Fact[int]{Value: 8, First: later, Last: later, Count: 2}},
		"the same day":  {func(f *Fact[int]) { f.See(7, later) }, twice},
		"a day later":   {func(f *Fact[int]) { f.See(7, noon.Add(refresh)) }, Fact[int]{Value: 7, First: noon, Last: noon.Add(refresh), Count: 3}},
	} {
		f := twice
		test.change(&f)
		if got := stored(t, f); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// stored is a fact as the next poll reads it.
func stored(t *testing.T, f Fact[int]) Fact[int] {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Fact[int]
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

package ledger

import (
	"encoding/json"
	"testing"
	"time"
)

// TestSighting: what was seen once counts in its poll, what a second poll has seen
// for 30 days.
func TestSighting(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		seen   []time.Duration // each in a poll of its own
		asked  time.Duration
		later  bool // in a later poll than the last of them
		counts bool
	}{
		"never":                         {},
		"once, in its poll":             {seen: []time.Duration{0}, counts: true},
		"once, in a later poll":         {seen: []time.Duration{0}, asked: time.Minute, later: true},
		"twice":                         {seen: []time.Duration{0, time.Hour}, asked: 2 * time.Hour, later: true, counts: true},
		"twice, 29 days ago":            {seen: []time.Duration{0, day}, asked: 30 * day, later: true, counts: true},
		"twice, 30 days ago":            {seen: []time.Duration{0, day}, asked: 31 * day, later: true},
		"twice, a month between":        {seen: []time.Duration{0, 31 * day}, asked: 32 * day, later: true},
		"once more after a month":       {seen: []time.Duration{0, day, 40 * day}, asked: 41 * day, later: true},
		"twice more after a month":      {seen: []time.Duration{0, day, 40 * day, 41 * day}, asked: 42 * day, later: true, counts: true},
		"twice, and the clock set back": {seen: []time.Duration{400 * day, 401 * day}, asked: 0, later: true},
	} {
		var s Sighting
		for _, at := range test.seen {
			s = stored(t, s)
			s.See(noon.Add(at))
			s.See(noon.Add(at)) // the same poll
		}
		if test.later {
			s = stored(t, s)
		}
		if got := s.Counts(noon.Add(test.asked)); got != test.counts {
			t.Errorf("%s: counts %v, want %v", name, got, test.counts)
		}
	}
}

// stored is a sighting as the next poll reads it.
func stored(t *testing.T, s Sighting) Sighting {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Sighting
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

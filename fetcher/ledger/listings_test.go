package ledger_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestListings: rows may be forgotten RowLife before the earlier of the latest two
// days with a listing, by a clock that these do not contradict.
func TestListings(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		listed []time.Duration
		now    time.Duration
		want   time.Duration
		none   bool
	}{
		"never listed":                     {none: true},
		"once":                             {listed: []time.Duration{0}, now: 200 * day, none: true},
		"twice on one day":                 {listed: []time.Duration{0, 19 * time.Hour}, now: 200 * day, none: true},
		"on two days":                      {listed: []time.Duration{0, time.Hour, day, day + time.Hour}, now: day + time.Hour, want: 0},
		"on three":                         {listed: []time.Duration{0, day, 2 * day}, now: 2 * day, want: day},
		"the clock jumps ahead":            {listed: []time.Duration{0, day, 92 * day}, now: 92 * day, want: day},
		"and stays there":                  {listed: []time.Duration{0, day, 92 * day, 93 * day}, now: 93 * day, want: 92 * day},
		"it is set right, before a poll":   {listed: []time.Duration{0, day, 92 * day}, now: 2 * day, none: true},
		"and after one":                    {listed: []time.Duration{0, day, 92 * day, 93 * day, 2 * day}, now: 2 * day, none: true},
		"it goes back for some hours":      {listed: []time.Duration{0, day, day - 5*time.Hour}, now: day - 5*time.Hour, want: 0},
		"set right, and on two days again": {listed: []time.Duration{0, 92 * day, 2 * day, 3 * day}, now: 3 * day, want: 2 * day},
	} {
		var a ledger.Account
		for _, at := range test.listed {
			a.Listings.Note(noon.Add(at))
		}
		a.Began = noon
		got := a.Forget(noon.Add(test.now))
		want := noon.Add(test.want - ledger.RowLife)
		if test.none {
			want = time.Time{}
		}
		if !got.Equal(want) {
			t.Errorf("%s: forgets what was last seen before %v, want %v", name, got, want)
		}
	}
}

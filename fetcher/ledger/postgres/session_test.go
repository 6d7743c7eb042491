package postgres_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger/postgres"
)

// TestAge: what a machine slept counts, and so does what its clock jumped ahead; one
// that is set back hides nothing.
func TestAge(t *testing.T) {
	t.Parallel()
	asked := time.Now()
	wall := asked.Round(0) // without the monotonic clock
	for name, test := range map[string]struct {
		asked, now time.Time
		want       time.Duration
	}{
		"both clocks went on":           {asked, asked.Add(3 * time.Second), 3 * time.Second},
		"the monotonic one stood still": {wall, wall.Add(time.Hour), time.Hour},
	} {
		if got := postgres.Age(test.asked, test.now); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestTime: times are the database's.
func TestTime(t *testing.T) {
	f := setup(t, shared(t))
	if ahead := f.store.Ahead().Abs(); ahead > time.Second {
		t.Errorf("the clock of the same machine is %v away", ahead)
	}
	if off := time.Until(f.store.Now()).Abs(); off > 2*time.Second {
		t.Errorf("the time is %v away", off)
	}
}

// TestCollision: a change that gets in the way of another process's is made again,
// together with the others and apart from them, and at last given up.
func TestCollision(t *testing.T) {
	t.Parallel()
	s := opened(t, shared(t).New(t), postgres.Options{Create: true})
	for _, c := range []struct {
		times, runs int
		gone        bool
	}{{0, 1, false}, {1, 2, false}, {2, 3, false}, {3, 4, false}, {100, 8, true}} {
		runs, err := postgres.Collide(s, c.times)
		if runs != c.runs || (err != nil) != c.gone {
			t.Errorf("%d collisions: it ran %d times, %v; want %d times", c.times, runs, err, c.runs)
		}
	}
}

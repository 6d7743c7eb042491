package fetcher_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// pollDaily waits a day, has the ledger forget what it may and polls, so many
// times. It returns how many rows were forgotten.
func (f *fixture) pollDaily(days int) int {
	f.t.Helper()
	pruned := 0
	for range days {
		f.now.Add(24 * time.Hour)
		n, err := f.store.Prune(f.t.Context())
		must(f.t, err)
		pruned += n
		must(f.t, f.poll().Err)
	}
	return pruned
}

// hide takes messages out of the mailbox, or out of sight.
func (f *fixture) hide(uids ...string) (hidden []pop3test.Message) {
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		return slices.DeleteFunc(ms, func(m pop3test.Message) bool {
			gone := slices.Contains(uids, m.UID)
			if gone {
				hidden = append(hidden, m)
			}
			return gone
		})
	})
	return hidden
}

// show puts them back.
func (f *fixture) show(ms []pop3test.Message) {
	for _, m := range ms {
		f.pop.Add("leo", m)
	}
}

// A message that its server still has is never forgotten, also if the server has
// confirmed that it is deleted.
func TestWhatIsStillListedIsNeverForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" {
			s.OK("gone, or so")
		}
		return verb == "DELE"
	}})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	f.poll()
	if n := f.pollDaily(200); n > 0 {
		t.Errorf("%d rows were forgotten, want none", n)
	}
	f.wantArrived("m1", "m2")
}

// Messages that their owner has removed are forgotten, but not while they come back
// now and then.
func TestWhatHasLeftIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1", "m2", "m3")
	f.poll()
	f.hide("uid-m1")
	m2 := f.hide("uid-m2")
	f.pollDaily(80)
	f.show(m2)
	f.pollDaily(1)
	f.hide("uid-m2")
	if n := f.pollDaily(30); n != 1 {
		t.Errorf("%d rows were forgotten, want that of m1", n)
	}
	f.wantStates(map[string]string{"uid-m2": "forwarded", "uid-m3": "forwarded"})
	if n := f.pollDaily(70); n != 1 {
		t.Errorf("%d rows were forgotten, want that of m2", n)
	}
	f.wantStates(map[string]string{"uid-m3": "forwarded"})
	f.wantArrived("m1", "m2", "m3")
}

// A clock that is months ahead does not make old what a server does not show for
// a while.
func TestClockAheadForgetsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(5)...)
	f.poll()
	f.pollDaily(2)
	hidden := f.hide("uid-m1", "uid-m2", "uid-m3")
	f.poll()
	f.now.Add(91 * 24 * time.Hour)
	if n := f.pollDaily(1); n > 0 {
		t.Errorf("%d rows were forgotten, want none", n)
	}
	f.now.Add(-91 * 24 * time.Hour)
	if n := f.pollDaily(5); n > 0 {
		t.Errorf("with the clock set right %d rows were forgotten, want none", n)
	}
	f.show(hidden)
	f.poll()
	f.wantArrived(numbered(5)...)
}

// rowWrites counts the writes of rows.
type rowWrites struct {
	fetcher.Lease
	n *int
}

func (w rowWrites) Put(ctx context.Context, recs ...*ledger.Record) error {
	*w.n++
	return w.Lease.Put(ctx, recs...)
}

func (w rowWrites) SetMissing(ctx context.Context, at time.Time, ids []int64) error {
	*w.n++
	return w.Lease.SetMissing(ctx, at, ids)
}

func (w rowWrites) Deleted(ctx context.Context, at time.Time, ids ...int64) error {
	*w.n++
	return w.Lease.Deleted(ctx, at, ids...)
}

// A poll without news writes no row, whatever was deleted by the poll before.
func TestPollWithoutNewsWritesNoRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 1
	f.add("too large")
	f.poll()
	f.account.Policy.Keep, f.account.Policy.MaxSize = false, int64(len(octetsOf("m1")))
	f.add("m1")
	f.poll()
	f.wantLeft("uid-too large")
	n := 0
	f.lease = func(l fetcher.Lease) fetcher.Lease { return rowWrites{l, &n} }
	f.pollDaily(3)
	if n > 0 {
		t.Errorf("%d writes of rows, want none", n)
	}
	f.wantArrived("m1")
}

// What a server hides may be shown again years later, by its owner's choice. It is
// known then, also where popferry did not have to learn that the server hides.
func TestHiddenMailThatIsShownAgainIsKnown(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]bool{"preset": false, "EXPIRE 0": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: &hiding{says: says}})
			f.account.Source.Hides = !says
			var all []pop3test.Message
			var names []string
			pruned := 0
			for i := range 20 {
				n := fmt.Sprint("m", i)
				names = append(names, n)
				all = append(all, pop3test.Message{UID: "uid-" + n, Octets: octetsOf(n)})
				f.add(n)
				f.pollBySchedule()
				pruned += f.pollDaily(10)
			}
			if pruned > 0 {
				t.Errorf("%d rows were forgotten, want none", pruned)
			}
			f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return all })
			f.poll()
			f.wantArrived(names...)
		})
	}
}

package fetcher_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// breaksAfter is a lease whose ledger takes no row of a message while it is broken.
type breaksAfter struct {
	fetcher.Lease
	broken *atomic.Bool
}

func (l breaksAfter) Put(ctx context.Context, recs ...*ledger.Record) error {
	if l.broken.Load() {
		return errTest
	}
	return l.Lease.Put(ctx, recs...)
}

// A message that a server has given out, and that is neither sent nor on disk when the
// poll is stopped for a fault of the ledger or of the disk, is there in the next poll:
// the server may hide what it gave at QUIT (custody.go).
func TestFaultAtTheFilterLeavesTheMessageOnItsServer(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]bool{"the filter fails": false, "the filter drops": true} {
		for what, disk := range map[string]bool{"disk full": true, "ledger broken": false} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				var broken atomic.Bool
				broken.Store(true)
				f := newFixture(t, faults{hides: &hiding{}})
				var fails atomic.Bool
				fails.Store(true)
				f.account.Filter = filterFunc(func(context.Context, string) (v fetcher.Verdict, err error) {
					if fails.Load() && drop {
						return fetcher.Verdict{Drop: true}, nil
					}
					if fails.Load() {
						return v, errTest
					}
					return v, nil
				})
				good := f.copyDir
				if disk {
					f.copyDir = filepath.Join(t.TempDir(), "file", "copies")
					must(t, os.WriteFile(filepath.Dir(f.copyDir), nil, 0o600))
				} else {
					f.lease = func(l fetcher.Lease) fetcher.Lease { return breaksAfter{l, &broken} }
				}
				f.add("m1")
				if r := f.poll(); r.Err == nil {
					t.Errorf("the poll came to %s, want an error", inWords(r))
				}
				if got := f.left(); len(got) != 1 {
					t.Errorf("after the poll that failed the server has %v, want uid-m1", got)
				}
				f.copyDir = good
				broken.Store(false)
				fails.Store(false)
				f.now.Add(time.Hour)
				f.poll()
				f.wantArrived("m1")
			})
		}
	}
}

// panicsAt is a lease that panics when a row is to be written, once.
type panicsAt struct {
	fetcher.Lease
	left *int
}

func (l panicsAt) Put(ctx context.Context, recs ...*ledger.Record) error {
	if *l.left--; *l.left == 0 {
		panic("made to")
	}
	return l.Lease.Put(ctx, recs...)
}

// A panic between RETR and the row is a fault of popferry's own: the message is there in
// the next poll, also if its server hides what it gave at QUIT.
func TestPanicAfterRETRLeavesTheMessageOnItsServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{}})
	f.add("m1")
	f.poll()
	looped := f.smtp.Messages()[0].Data
	left := 1
	f.lease = func(l fetcher.Lease) fetcher.Lease { return panicsAt{l, &left} }
	f.addUnder("loop", looped) // is held before it is submitted
	if r := f.poll(); r.Err == nil {
		t.Errorf("the poll came to %s, want the panic", inWords(r))
	}
	if got := f.left(); len(got) != 1 {
		t.Errorf("after the panic the server has %v, want the message", got)
	}
}

// A message that is held as a loop is there for "retry" and "show", also where its server
// turns out to hide what it gave.
func TestHeldLoopHasItsOctets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{}})
	f.add("m1")
	f.poll()
	looped := f.smtp.Messages()[0].Data
	f.addUnder("loop", looped)
	f.poll()
	f.wantState("loop", "held")
	if len(f.left()) == 0 && len(f.copies()) == 0 {
		t.Errorf("the held message is neither on its server nor kept here")
	}
}

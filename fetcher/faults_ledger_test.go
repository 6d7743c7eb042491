package fetcher_test

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// ledgerFault is what happens at which write of a poll.
type ledgerFault struct {
	kind faultKind
	at   int // 0 for the first write
}

type faultKind int

const (
	none faultKind = iota
	failsBefore
	failsAfter // it is on disk, but an error is returned
	diesBefore // the process ends
	diesAfter
)

// delivery is one message for one recipient.
type delivery struct{ trace, address string }

// ledgerFaults watches the ledger: what was in doubt, and how often.
type ledgerFaults struct {
	mu     sync.Mutex
	trace  map[int64]string
	open   map[delivery]bool // the intent is on disk, the outcome is not
	doubts map[delivery]int
}

// wrote notes rows that are on disk.
func (f *ledgerFaults) wrote(recs []*ledger.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range recs {
		f.trace[r.ID] = r.Trace
		for _, rc := range r.Recipients {
			d := delivery{r.Trace, rc.Address}
			if f.open[d] && rc.State == ledger.Unknown {
				f.doubts[d]++
			}
			f.open[d] = rc.State == ledger.Sending
		}
		if r.State != ledger.Sending {
			f.closed(r.Trace)
		}
	}
}

// closed: nothing of a message is being sent any more.
func (f *ledgerFaults) closed(trace string) {
	for d := range f.open {
		if d.trace == trace {
			f.open[d] = false
		}
	}
}

// dropped notes intents that were taken back.
func (f *ledgerFaults) dropped(ids []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.closed(f.trace[id])
	}
}

// interrupted: a lease was taken, and what was being sent is in doubt.
func (f *ledgerFaults) interrupted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d, open := range f.open {
		if open {
			f.doubts[d]++
		}
	}
	clear(f.open)
}

// shakyLease fails once, or ends with its process.
type shakyLease struct {
	fetcher.Lease
	faults *ledgerFaults
	fault  ledgerFault
	die    func() // cuts all connections

	timeline int

	mu     sync.Mutex
	writes int
	dead   bool
}

// write is one write, which may fail.
func (l *shakyLease) write(do func() error) error {
	kind, dead := l.next()
	if dead {
		return errTest
	}
	if kind == failsAfter || kind == diesAfter || kind == none {
		if err := do(); err != nil || kind == none {
			return err
		}
	}
	if kind == diesBefore || kind == diesAfter {
		l.die()
		_ = l.Lease.Release()
	}
	return errTest
}

// next says what happens at this write, and whether the process is dead.
func (l *shakyLease) next() (kind faultKind, dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dead = l.dead
	if l.writes++; l.writes == l.fault.at+1 {
		kind = l.fault.kind
	}
	l.dead = dead || kind == diesBefore || kind == diesAfter
	return kind, dead
}

func (l *shakyLease) PutAccount(ctx context.Context, a ledger.Account) error {
	return l.write(func() error { return l.Lease.PutAccount(ctx, a) })
}

func (l *shakyLease) Put(ctx context.Context, recs ...*ledger.Record) error {
	return l.write(func() error {
		err := l.Lease.Put(ctx, recs...)
		if err == nil {
			l.faults.wrote(recs)
		}
		return err
	})
}

// Timelines implements fetcher.Dated.
func (l *shakyLease) Timelines() (made, now string) { return "0", strconv.Itoa(l.timeline) }

func (l *shakyLease) PutWithin(ctx context.Context, q ledger.Quota, octets int64, r *ledger.Record) error {
	return l.write(func() error {
		err := l.Lease.PutWithin(ctx, q, octets, r)
		if err == nil {
			l.faults.wrote([]*ledger.Record{r})
		}
		return err
	})
}

func (l *shakyLease) Drop(ctx context.Context, ids ...int64) error {
	return l.write(func() error {
		err := l.Lease.Drop(ctx, ids...)
		if err == nil {
			l.faults.dropped(ids)
		}
		return err
	})
}

func (l *shakyLease) SetMissing(ctx context.Context, at time.Time, ids []int64) error {
	return l.write(func() error { return l.Lease.SetMissing(ctx, at, ids) })
}

func (l *shakyLease) Deleted(ctx context.Context, at time.Time, ids ...int64) error {
	return l.write(func() error { return l.Lease.Deleted(ctx, at, ids...) })
}

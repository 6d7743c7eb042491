package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

var errLocked = fmt.Errorf("another program keeps it locked: %w", ledger.ErrUnavailable)

// locked is the lease of a ledger that another program locks as soon as the
// destination has answered, for so many tries of a write.
type locked struct {
	fetcher.Lease
	tries  atomic.Int32
	unlock func(try int32) bool // whether the ledger can be written at this try
}

func (l *locked) try(write func() error) error {
	if !l.unlock(l.tries.Add(1)) {
		return errLocked
	}
	return write()
}

func (l *locked) Put(ctx context.Context, recs ...*ledger.Record) error {
	if recs[0].State == ledger.Sending {
		return l.Lease.Put(ctx, recs...)
	}
	return l.try(func() error { return l.Lease.Put(ctx, recs...) })
}

func (l *locked) Drop(ctx context.Context, ids ...int64) error {
	return l.try(func() error { return l.Lease.Drop(ctx, ids...) })
}

// pollLocked polls once with such a lease.
func (f *fixture) pollLocked(unlock func(try int32) bool) fetcher.Result {
	f.t.Helper()
	f.lease = func(l fetcher.Lease) fetcher.Lease { return &locked{Lease: l, unlock: unlock} }
	defer func() { f.lease = nil }()
	return f.poll()
}

// What the destination has answered is not forgotten because the ledger cannot be
// written at that moment: it is written later, and until then nothing is deleted.
func TestOutcomeWaitsForTheLedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1")
	r := f.pollLocked(func(try int32) bool { return try > 3 })
	if !errors.Is(r.Err, ledger.ErrUnavailable) {
		t.Errorf("error %v, want %v", r.Err, ledger.ErrUnavailable)
	}
	f.wantState("uid-m1", "forwarded")
	f.wantLeft("uid-m1")
	f.wantSent("DELE", 0)
	f.poll()
	f.wantArrived("m1")
	f.wantLeft()
}

// Nor is it forgotten that the destination took nothing: the message stays as new
// as it was.
func TestRollbackWaitsForTheLedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, reply(550, 5, 1, 1), func(smtptest.Event) bool { return true })})
	f.add("m1")
	f.pollLocked(func(try int32) bool { return try > 3 })
	if n := len(f.records()); n != 0 {
		t.Errorf("%d rows, want none: %v", n, f.states())
	}
}

// A stop ends the waiting with the try that it meets.
func TestStopEndsTheWaitForTheLedger(t *testing.T) {
	t.Parallel()
	for succeeds, want := range map[bool]string{true: "forwarded", false: "sending"} {
		f := newFixture(t, faults{})
		f.add("m1")
		f.pollLocked(func(try int32) bool {
			if try == 2 {
				close(f.stop)
			}
			return try > 1 && succeeds
		})
		f.wantState("uid-m1", want)
		f.wantArrived("m1")
	}
}

// A fault that does not pass by itself is not waited for.
func TestOutcomeDoesNotWaitForALostLease(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	f.pollKilled()
	f.wantState("uid-m1", "sending")
}

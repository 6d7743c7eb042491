package fetcher_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// slowDisk is a ledger in which the first outcomes wait for each other: as many as
// may be in flight. It counts the messages in doubt.
type slowDisk struct {
	fetcher.Lease
	*doubts
}

type doubts struct {
	mu        sync.Mutex
	now, most int
	waiting   int
	enough    int
	full      chan struct{} // closed when enough wait
}

func (l slowDisk) Put(ctx context.Context, recs ...*ledger.Record) error {
	if recs[0].State == ledger.Sending {
		l.began()
		return l.Lease.Put(ctx, recs...)
	}
	if err := l.ended(ctx); err != nil {
		return err
	}
	err := l.Lease.Put(ctx, recs...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now--
	return err
}

func (d *doubts) began() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now++
	d.most = max(d.most, d.now)
}

// ended waits until there are enough.
func (d *doubts) ended(ctx context.Context) error {
	d.mu.Lock()
	if d.waiting++; d.waiting == d.enough {
		close(d.full)
	}
	d.mu.Unlock()
	select {
	case <-d.full:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// want compares how many messages were in doubt at once.
func (d *doubts) want(t *testing.T, most int) {
	t.Helper()
	if d.most != most || d.now != 0 {
		t.Errorf("%d messages were in doubt at once, %d in the end; want %d, 0", d.most, d.now, most)
	}
}

// However slow the disk and however many accounts share the destination, no more
// than in_flight messages are in doubt; and as many are, because that is what makes
// a far destination quick.
func TestInFlightBoundsMessagesInDoubt(t *testing.T) {
	t.Parallel()
	const inFlight = 3
	// The first message alone opens the window; then it is a full one.
	d := &doubts{enough: 1, full: make(chan struct{})}
	a := newFixture(t, faults{pool: smtp.Options{InFlight: inFlight}})
	b := newFixture(t, faults{})
	b.account.Destination.Forwarder = a.account.Destination.Forwarder
	for _, f := range []*fixture{a, b} {
		f.lease = func(l fetcher.Lease) fetcher.Lease { return slowDisk{l, d} }
	}
	a.add("first")
	a.poll()
	d.waiting, d.enough, d.full = 0, inFlight, make(chan struct{})
	var both sync.WaitGroup
	for _, f := range []*fixture{a, b} {
		for i := range 20 {
			f.add(fmt.Sprint("m", i))
		}
		n := len(f.left())
		both.Go(func() { wantResult(t, f.poll(), result{Counts: counts{Forwarded: 20}, OnServer: n}) })
	}
	both.Wait()
	d.want(t, inFlight)
}

// A refused message that waits to be sent as an attachment holds up no other message.
func TestMessageToBeWrappedDoesNotWaitForItself(t *testing.T) {
	t.Parallel()
	odd := func(e smtptest.Event) bool { return e.Message%2 == 1 }
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(550, 5, 7, 26), odd), pool: oneInFlight})
	f.account.Destination.OnReject = fetcher.Wrap
	f.add(numbered(12)...)
	done := make(chan result, 1)
	go func() { done <- f.poll() }()
	select {
	case r := <-done:
		wantResult(t, r, result{Counts: counts{Forwarded: 12}, OnServer: 12})
	case <-time.After(longTimeout):
		t.Fatalf("the poll did not end within %v: it waits for itself", longTimeout)
	}
}

// A message that was refused by some, and is to be sent once more, counts as in
// doubt only while it is sent: also where the messages of another account come
// between.
func TestMessageToBeWrappedIsNotInDoubtWhileItWaits(t *testing.T) {
	t.Parallel()
	d := &doubts{enough: 1, full: make(chan struct{})}
	a, b := halfRefused(t), newFixture(t, faults{})
	b.account.Destination = a.account.Destination
	var both sync.WaitGroup
	for _, f := range []*fixture{a, b} {
		f.lease = func(l fetcher.Lease) fetcher.Lease { return slowDisk{l, d} }
		f.add(numbered(10)...)
		both.Go(func() { wantResult(t, f.poll(), result{Counts: counts{Forwarded: 10}, OnServer: 10}) })
	}
	both.Wait()
	d.want(t, 1)
}

// killed is the lease of a process that dies once the destination has answered.
type killed struct {
	fetcher.Lease
	dead atomic.Bool
}

func (k *killed) Put(ctx context.Context, recs ...*ledger.Record) error {
	if k.dead.Load() || recs[0].State != ledger.Sending {
		k.dead.Store(true)
		return errTest
	}
	return k.Lease.Put(ctx, recs...)
}

func (k *killed) PutAccount(ctx context.Context, a ledger.Account) error {
	if k.dead.Load() {
		return errTest
	}
	return k.Lease.PutAccount(ctx, a)
}

func (f *fixture) pollKilled() {
	f.lease = func(l fetcher.Lease) fetcher.Lease { return &killed{Lease: l} }
	f.poll()
	f.lease = nil
}

// A message at which popferry ends each time, whatever ends it, is sent three times
// and then held: each time it may have arrived.
func TestThirdKillInARowHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	for range 5 {
		f.pollKilled()
	}
	f.wantArrived("m1", "m1", "m1")
	f.wantState("uid-m1", "held")
	rec := f.record("uid-m1")
	if rec.Cause.Code != ledger.CauseKilled || !strings.Contains(rec.Cause.Text, "3 times") {
		t.Errorf("it is held for %+v, want what happened", rec.Cause)
	}
	rec.Retry(f.now.Now())
	f.underLease(func(ctx context.Context, l fetcher.Lease) error { return l.Put(ctx, rec) })
	f.poll()
	f.wantState("uid-m1", "forwarded")
}

// Only doubts in a row count, not what failed before.
func TestKillAfterDeferralsDoesNotHold(t *testing.T) {
	t.Parallel()
	const deferrals = 4
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451, 4, 7, 1), func(e smtptest.Event) bool { return e.Message <= deferrals })})
	f.add("m1")
	for range deferrals {
		f.poll()
	}
	f.wantState("uid-m1", "deferred")
	f.pollKilled()
	f.pollKilled()
	f.add("m2")
	f.poll()
	f.wantStates(map[string]string{"uid-m1": "forwarded", "uid-m2": "forwarded"})
	f.wantArrived("m1", "m1", "m1", "m2")
}

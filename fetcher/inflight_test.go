package fetcher_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// slowDisk is a ledger in which the first outcomes wait for each other: as
// many as may be in flight. It counts the messages in doubt.
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

// TestInFlightBoundsMessagesInDoubt: the messages in doubt are no more than in_flight, however slow
// the disk and however many accounts share the destination; and they are as
// many, for it is what makes a far destination quick.
func TestInFlightBoundsMessagesInDoubt(t *testing.T) {
	t.Parallel()
	const inFlight = 3
	// The first message alone opens the window; then it is a full one.
	d := &doubts{enough: 1, full: make(chan struct{})}
	a := newFixture(t, faults{pool: smtp.Options{InFlight: inFlight}})
	b := newFixture(t, faults{})
	b.account.Destination.Forwarder = destination{a.pool}
	for _, f := range []*fixture{a, b} {
		f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := f.store.Lease(ctx, id)
			return slowDisk{l, d}, err
		}
	}
	a.add("first")
	a.poll()
	d.waiting, d.enough, d.full = 0, inFlight, make(chan struct{})
	var both sync.WaitGroup
	for _, f := range []*fixture{a, b} {
		for i := range 20 {
			f.add(fmt.Sprint("m", i))
		}
		both.Go(func() {
			if r := f.poll(); r.Forwarded != 20 || r.Err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
	both.Wait()
	if d.most != inFlight || d.now != 0 {
		t.Errorf("%d were in doubt at once, %d in the end", d.most, d.now)
	}
}

// TestMessageToBeWrappedDoesNotWaitForItself: a refused message that waits to be sent as an attachment
// keeps nobody waiting.
func TestMessageToBeWrappedDoesNotWaitForItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message%2 == 1 {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 26}, Text: "not like this"}
		}
		return smtptest.Fault{}
	}}, pool: smtp.Options{InFlight: 1}})
	f.account.Destination.OnReject = fetcher.Wrap
	for i := range 12 {
		f.add(fmt.Sprint("m", i))
	}
	done := make(chan fetcher.Result, 1)
	go func() { done <- f.poll() }()
	select {
	case r := <-done:
		if r.Forwarded == 0 || r.Unknown > 0 {
			t.Errorf("%+v", r)
		}
	case <-time.After(longTimeout):
		t.Fatal("it waits for itself")
	}
}

// TestMessageToBeWrappedIsNotInDoubtWhileItWaits: a message that was refused by some, and
// is to be sent once more, counts as in doubt only while it is sent: also where
// the messages of another account come between.
func TestMessageToBeWrappedIsNotInDoubtWhileItWaits(t *testing.T) {
	t.Parallel()
	d := &doubts{enough: 1, full: make(chan struct{})}
	a, b := halfRefused(t), newFixture(t, faults{})
	b.account.Destination = a.account.Destination
	var both sync.WaitGroup
	for _, f := range []*fixture{a, b} {
		f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := f.store.Lease(ctx, id)
			return slowDisk{l, d}, err
		}
		f.add(numbered(10)...)
		both.Go(func() {
			if r := f.poll(); r.Forwarded != 10 || r.Err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
	both.Wait()
	if d.most != 1 || d.now != 0 {
		t.Errorf("%d were in doubt at once, %d in the end", d.most, d.now)
	}
}

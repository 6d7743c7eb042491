package ledgertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testLease(t *testing.T, k Kind) {
	f := setup(t, k)
	second := open(t, k, f.address)
	for name, s := range map[string]ledger.Store{"the same store": f.store, "another store": second} {
		_, err := s.Lease(f, f.account.ID)
		wantError(t, "a second lease from "+name, err, ledger.ErrLeased)
	}
	_, err := f.store.Lease(f, 1<<40)
	wantError(t, "the lease of an unknown account", err, ledger.ErrNotFound)
	r := in(ledger.Forwarded, "1")
	f.put(t, r)
	must(t, f.lease.Release())
	take(t, second, f.account.ID)
	for name, err := range map[string]error{
		"Put":        f.lease.Put(f, r),
		"Deleted":    f.lease.Deleted(f, epoch, r.ID),
		"Drop":       f.lease.Drop(f),
		"SetMissing": f.lease.SetMissing(f, epoch, []int64{r.ID}),
		"PutAccount": f.lease.PutAccount(f, f.account),
		"Rename":     f.lease.Rename(f, f.account.Identity),
	} {
		wantFailure(t, name+" after Release", err)
	}
	equal(t, "rows", f.known(t), []ledger.Known{r.Known})
	must(t, f.lease.Release())
	_, err = f.store.Lease(f, f.account.ID)
	wantError(t, "the lease of another holder after a second Release", err, ledger.ErrLeased)
}

func testInterrupted(t *testing.T, k Kind) {
	f := setup(t, k)
	r, held := in(ledger.Sending, "1"), in(ledger.Held, "2")
	r.Attempts, r.NextAttempt = 2, epoch
	r.Recipients = []ledger.Recipient{
		{Address: "a@example.org", State: ledger.Forwarded, Code: 250},
		{Address: "b@example.org", State: ledger.Sending, Code: 451},
		{Address: "c@example.org", State: ledger.Held, Code: 550},
		{Address: "d@example.org", State: ledger.Deferred, Code: 451},
	}
	held.Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Deferred}}
	f.put(t, r, held)

	second := open(t, k, f.address)
	_, err := second.Lease(f, f.account.ID)
	wantError(t, "a second lease", err, ledger.ErrLeased)
	equal(t, "under the lease", f.record(t, r.ID), r)
	must(t, f.lease.Release())
	equal(t, "after Release", f.record(t, r.ID), r)

	l := take(t, second, f.account.ID)
	got, err := l.Record(f, r.ID)
	must(t, err)
	if got.Cause.Code != "interrupted" || got.Cause.Text == "" {
		t.Errorf("the cause is %+v, want the code interrupted and a text", got.Cause)
	}
	r.State, got.Cause = ledger.Unknown, ledger.Cause{}
	for i, want := range []ledger.State{ledger.Forwarded, ledger.Unknown, ledger.Held, ledger.Unknown} {
		if got.Recipients[i].State != want {
			t.Errorf("recipient %d is %s, want %s", i, got.Recipients[i].State, want)
		}
	}
	got.Recipients = r.Recipients
	equal(t, "under the next lease", got, r)
	other, err := l.Record(f, held.ID)
	must(t, err)
	equal(t, "a message that was not being sent", other, held)
	days, err := second.Days(f, time.Time{})
	must(t, err)
	interrupted := 0
	for _, d := range days {
		if d.Outcome == ledger.Unknown {
			interrupted += d.Count
		}
	}
	if interrupted != 1 {
		t.Errorf("%d messages are counted as unknown, want 1: %v", interrupted, days)
	}
}

// testInterruptedAgain: doubts in a row are counted on the row.
func testInterruptedAgain(t *testing.T, k Kind) {
	f := setup(t, k)
	r := in(ledger.Sending, "1")
	r.Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Sending}}
	for n := 1; n <= ledger.MaxDoubts; n++ {
		f.put(t, r)
		must(t, f.lease.Release())
		f.lease = take(t, f.store, f.account.ID)
		want := ledger.Unknown
		if n == ledger.MaxDoubts {
			want = ledger.Held
		}
		got := f.record(t, r.ID)
		if got.State != want || got.Recipients[0].State != want || got.Recipients[0].Doubts != n {
			t.Fatalf("after %d interruptions: %+v, want %s", n, got, want)
		}
		r = got
		r.State, r.Recipients[0].State = ledger.Sending, ledger.Sending
	}
}

func testContext(t *testing.T, k Kind) {
	f := setup(t, k)
	ctx, cancel := context.WithCancel(f)
	cancel()
	wantError(t, "Put", f.lease.Put(ctx, in(ledger.Held, "1")), context.Canceled)
	_, err := f.lease.Known(ctx)
	wantError(t, "Known", err, context.Canceled)
	equal(t, "rows", len(f.known(t)), 0)
	must(t, f.lease.Release())
	_, err = f.store.Lease(ctx, f.account.ID)
	wantError(t, "Lease", err, context.Canceled)
	take(t, f.store, f.account.ID) // the failed one left no lock behind
}

func testGoroutines(t *testing.T, k Kind) {
	f := setup(t, k)
	const goroutines, each = 16, 20
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				r := in(ledger.Sending, fmt.Sprint(g, ".", i))
				if err := f.lease.Put(f, r); err != nil {
					t.Error(err)
				}
				// Every second one fails, and takes no other with it.
				wantFailure(t, "a second row for a UID", f.lease.Put(f, in(ledger.Sending, r.UID)))
				r.State = ledger.Forwarded
				if err := f.lease.Put(f, r); err != nil {
					t.Error(err)
				}
				if got, err := f.lease.Record(f, r.ID); err != nil || got.State != ledger.Forwarded {
					t.Errorf("just put as forwarded, it reads as %v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "rows", len(f.known(t)), goroutines*each)
}

package fetcher_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// halfRefused is a destination with two recipients over LMTP: b takes a message
// only if it comes alone, as an attachment. One transaction at a time.
func halfRefused(t *testing.T) *world {
	t.Helper()
	var both atomic.Bool
	w := newWorld(t, bend{smtp: smtptest.Options{LMTP: true, Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageMail:
			both.Store(false)
		case e.Stage == forwarder.StageRcpt && e.Address == "a@example.org":
			both.Store(true)
		case e.Stage == forwarder.StageDot && e.Address == "b@example.org" && both.Load():
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 26}, Text: "not like this"}
		}
		return smtptest.Fault{}
	}}, pool: smtp.Options{InFlight: 1}})
	w.account.Destination.Recipients = []string{"a@example.org", "b@example.org"}
	w.account.Destination.OnReject = fetcher.Wrap
	return w
}

// TestInFlightWhileItWaitsToBeWrapped: a message that was refused by some, and
// is to be sent once more, counts as in doubt only while it is sent: also where
// the messages of another account come between.
func TestInFlightWhileItWaitsToBeWrapped(t *testing.T) {
	t.Parallel()
	d := &doubts{enough: 1, full: make(chan struct{})}
	a, b := halfRefused(t), newWorld(t, bend{})
	b.account.Destination = a.account.Destination
	var both sync.WaitGroup
	for _, w := range []*world{a, b} {
		w.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := w.store.Lease(ctx, id)
			return slowDisk{l, d}, err
		}
		w.add(many(10)...)
		both.Go(func() {
			if r := w.poll(); r.Forwarded != 10 || r.Err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
	both.Wait()
	if d.most != 1 || d.now != 0 {
		t.Errorf("%d were in doubt at once, %d in the end", d.most, d.now)
	}
}

// lastWrite ends the writing behind the first row that says so: what is on disk
// then is what a crash would leave.
type lastWrite struct {
	fetcher.Lease
	over *atomic.Bool
}

func (l lastWrite) Put(ctx context.Context, recs ...*ledger.Record) error {
	if l.over.Load() {
		return errTest
	}
	refused := func(rc ledger.Recipient) bool { return rc.State == ledger.Deferred && rc.Code == 550 }
	if slices.ContainsFunc(recs[0].Recipients, refused) {
		l.over.Store(true)
	}
	return l.Lease.Put(ctx, recs...)
}

// TestCrashBeforeItIsWrapped: who has the message does not get it again, and the
// other one gets it as an attachment; nobody is in doubt.
func TestCrashBeforeItIsWrapped(t *testing.T) {
	t.Parallel()
	w := halfRefused(t)
	var over atomic.Bool
	w.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := w.store.Lease(ctx, id)
		return lastWrite{l, &over}, err
	}
	w.add("m1")
	if r := w.poll(); r.Err == nil || !over.Load() {
		t.Fatalf("%+v", r)
	}
	w.lease = nil
	if got := w.states()["uid-m1"]; got != "deferred" {
		t.Errorf("it is %s", got)
	}
	if r := w.poll(); r.Err != nil || r.Forwarded != 1 || r.Unknown != 0 {
		t.Errorf("%+v", r)
	}
	var got [][]string
	for _, m := range w.smtp.Messages() {
		got = append(got, m.Recipients)
	}
	if len(got) != 2 || !slices.Equal(got[0], []string{"a@example.org"}) || !slices.Equal(got[1], []string{"b@example.org"}) {
		t.Errorf("arrived for %v", got)
	}
}

package fetcher_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// everyTenMinutes has the account due ten minutes after its last poll began.
func (f *fixture) everyTenMinutes() {
	f.account.Due.After = func(began time.Time) time.Time { return began.Add(10 * time.Minute) }
}

// row is what the ledger has of the account.
func (f *fixture) row() (a ledger.Account) {
	f.t.Helper()
	f.underLease(func(ctx context.Context, l fetcher.Lease) (err error) {
		a, err = l.Account(ctx)
		return err
	})
	return a
}

// TestNotDue: what another process has polled meanwhile is not polled again, and the
// server is not asked. Who wants it now gets it.
func TestNotDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.everyTenMinutes()
	began := f.now.Now()
	wantResult(t, f.pollBySchedule(), result{})
	row := f.row()
	if !row.Began.Equal(began) || !row.NextPoll.Equal(began.Add(10*time.Minute)) {
		t.Errorf("the ledger has a poll that began at %s, the next at %s; want %s and ten minutes later", row.Began, row.NextPoll, began)
	}
	f.now.Add(9 * time.Minute)
	res := f.pollBySchedule()
	if res.Skip != fetcher.NotDue || !res.Began.Equal(began) || !res.Until.Equal(began.Add(10*time.Minute)) {
		t.Errorf("a minute too early: got skip %d, begun %s, due %s; want not due, %s, ten minutes later", res.Skip, res.Began, res.Until, began)
	}
	f.wantSent("UIDL", 1)
	wantResult(t, f.poll(), result{})
	f.wantSent("UIDL", 2)
	f.now.Add(10 * time.Minute)
	wantResult(t, f.pollBySchedule(), result{})
	f.wantSent("UIDL", 3)
}

// TestStoppedPollIsStillDue: another process goes on with it, or this one after a new
// start.
func TestStoppedPollIsStillDue(t *testing.T) {
	t.Parallel()
	var f *fixture
	f = newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: atRETR(1, func(*pop3test.Session) { close(f.stop) })})
	f.everyTenMinutes()
	f.add("m1", "m2", "m3")
	if res := f.pollBySchedule(); !errors.Is(res.Err, fetcher.ErrStopped) || !res.Began.IsZero() {
		t.Fatalf("got %v, begun %s; want it stopped, and still due", res.Err, res.Began)
	}
	f.stop = make(chan struct{})
	if res := f.pollBySchedule(); res.Err != nil || res.Skip != fetcher.NotSkipped {
		t.Errorf("got %v, skip %d; want a poll that goes on", res.Err, res.Skip)
	}
	f.wantArrived("m1", "m2", "m3")
}

// TestDueAfterAChange: an account that was changed is due at once, for one poll.
func TestDueAfterAChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.everyTenMinutes()
	f.account.Settings = "before"
	wantResult(t, f.pollBySchedule(), result{})
	f.account.Settings = "after"
	if res := f.pollBySchedule(); res.Skip != fetcher.NotDue {
		t.Errorf("by a process that has not read the change: got skip %d, want not due", res.Skip)
	}
	f.account.Due.Changed = true
	wantResult(t, f.pollBySchedule(), result{})
	if res := f.pollBySchedule(); res.Skip != fetcher.NotDue {
		t.Errorf("after another process has polled it: got skip %d, want not due", res.Skip)
	}
}

// TestDueWhenMended: an account whose destination was mended need not wait for its
// next time.
func TestDueWhenMended(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.everyTenMinutes()
	f.account.Destination.Settings = "wrong"
	f.add("m1")
	f.smtpDown()
	if res := f.pollBySchedule(); res.Err == nil {
		t.Fatal("the destination is away: want an error")
	}
	if res := f.pollBySchedule(); res.Skip != fetcher.BackingOff {
		t.Errorf("before the change: got skip %d, want it to wait", res.Skip)
	}
	f.account.Destination.Settings = "right"
	if res := f.pollBySchedule(); res.Skip != fetcher.NotSkipped {
		t.Errorf("after the change: got skip %d, want a poll", res.Skip)
	}
}

// TestLastPollInTheFuture: what was noted under a wrong clock holds nothing up.
func TestLastPollInTheFuture(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.everyTenMinutes()
	wantResult(t, f.pollBySchedule(), result{})
	f.now.Add(-9 * time.Hour)
	wantResult(t, f.pollBySchedule(), result{})
	if row := f.row(); !row.Began.Equal(f.now.Now()) {
		t.Errorf("the ledger has a poll that began at %s, want %s", row.Began, f.now.Now())
	}
}

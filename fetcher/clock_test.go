package fetcher_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

const twoWeeks = 14 * 24 * time.Hour

// TestForwardedUnderAWrongClock: the clock was wrong when the message was forwarded,
// and is mended. The time for which it stays on the server begins then, and is no
// longer, and no shorter.
func TestForwardedUnderAWrongClock(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]time.Time{
		"1970": time.Unix(60, 0),
		"2100": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Policy.KeepFor = twoWeeks
			mended := f.now.Now()
			f.now.Set(clock)
			f.add("m1")
			f.poll()
			f.now.Add(time.Minute)
			f.poll()
			f.wantLeft("uid-m1")
			f.now.Set(mended)
			f.poll() // shows that the clock was wrong
			f.poll()
			f.wantLeft("uid-m1")
			if at := f.record("uid-m1").ForwardedAt; !at.Equal(mended) {
				t.Errorf("the ledger says that it was forwarded at %v, want %v", at, mended)
			}
			f.now.Add(twoWeeks - time.Hour)
			f.poll()
			f.wantLeft("uid-m1")
			f.now.Add(time.Hour)
			f.poll()
			f.wantLeft()
			f.wantArrivedInOrder("m1")
		})
	}
}

// TestWrongClockDeletesNothing: a message was forwarded in time, and the clock is
// wrong for some polls. Once it is mended the message goes at its time, or later.
func TestWrongClockDeletesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		clock time.Time
		anew  bool // its time begins when the clock is mended
	}{
		"1970": {time.Unix(60, 0), false},
		"2100": {time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Policy.KeepFor = twoWeeks
			f.add("m1")
			f.poll()
			mended := f.now.Now().Add(twoWeeks - time.Hour)
			f.now.Set(tt.clock)
			for range 3 {
				f.poll()
				f.now.Add(time.Hour)
			}
			f.wantLeft("uid-m1")
			f.now.Set(mended)
			f.poll()
			f.wantLeft("uid-m1")
			f.now.Add(time.Hour)
			f.poll()
			if tt.anew {
				f.wantLeft("uid-m1")
				f.now.Add(twoWeeks)
				f.poll()
			}
			f.wantLeft()
		})
	}
}

// TestClockSetWithinASession: what was forwarded just now is not old.
func TestClockSetWithinASession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = twoWeeks
	f.add("m1")
	o := f.options()
	lease := o.Lease
	o.Lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := lease(ctx, id)
		return setsClock{l, f.now}, err
	}
	wantResult(t, fetcher.New(o).Poll(t.Context(), f.account, true), result{Counts: counts{Forwarded: 1}, OnServer: 1})
	f.wantLeft("uid-m1")
}

// setsClock sets the clock when a message was recorded as forwarded.
type setsClock struct {
	fetcher.Lease
	clock *clock
}

func (s setsClock) Put(ctx context.Context, recs ...*ledger.Record) error {
	err := s.Lease.Put(ctx, recs...)
	if recs[0].State == ledger.Forwarded {
		s.clock.Add(50 * 365 * 24 * time.Hour)
	}
	return err
}

// TestRefusalsNotedUnderAWrongClock: one of the messages that were refused in a row
// is tried again hourly, whatever the clock said when they were.
func TestRefusalsNotedUnderAWrongClock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(554))})
	f.add(numbered(20)...)
	mended := f.now.Now()
	f.now.Set(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	f.pollBySchedule()
	f.now.Set(mended)
	for i, want := range []int{1, 0} {
		if r := f.pollBySchedule(); r.Held != want {
			t.Errorf("poll %d after the clock was mended: %d tried again, want %d", i+1, r.Held, want)
		}
	}
}

// TestSuccessNotedUnderAWrongClock: that the destination once accepted a message in
// 2100 does not say that others get through now.
func TestSuccessNotedUnderAWrongClock(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, smtptest.Fault{Close: true}, while(&broken))})
	f.add("m1")
	mended := f.now.Now()
	f.now.Set(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	f.poll()
	f.now.Set(mended)
	broken.Store(true)
	f.add("m2")
	f.pollEvery12Hours(5, true)
	if got := f.record("uid-m2"); got.State != ledger.Unknown || got.Attempts != 5 {
		t.Errorf("a message that loses its reply, as all do: %v after %d tries, want %v after 5", got.State, got.Attempts, ledger.Unknown)
	}
}

// TestClockOffDeletesNothing: this machine's clock and the ledger's differ, and nobody
// knows which is right. What is too old stays until they agree.
func TestClockOffDeletesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = twoWeeks
	f.add("m1")
	f.poll()
	for range 3 {
		f.now.Add(5 * 24 * time.Hour)
		o := f.options()
		o.ClockOff = func() bool { return true }
		fetcher.New(o).Poll(t.Context(), f.account, true)
		f.wantLeft("uid-m1")
	}
	f.poll()
	f.wantLeft()
}

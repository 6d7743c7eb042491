package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestPollForwardsNewMessagesAndKeepsThem(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1", "m2", "m3")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}, OnServer: 3})
	f.add("m4")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 4})
	f.wantArrived("m1", "m2", "m3", "m4")
	f.wantLeft("uid-m1", "uid-m2", "uid-m3", "uid-m4")
}

func TestLeasedAccountIsSkipped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	f.underLease(func(context.Context, fetcher.Lease) error {
		wantResult(t, f.poll(), result{OnServer: -1, Skip: fetcher.Leased})
		return nil
	})
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}

func TestMinIntervalSkipsPollsThatComeTooSoon(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MinInterval = time.Minute
	f.poll()
	f.now.Add(59 * time.Second)
	wantResult(t, f.poll(), result{OnServer: -1, Skip: fetcher.TooSoon})
	f.now.Add(time.Second)
	wantResult(t, f.poll(), result{})
}

// A login counts also if it led to nothing.
func TestMinIntervalCountsLoginsWithoutAListing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: popRefuses("login allowed only every 15 minutes", "UIDL")})
	f.account.Policy.MinInterval = 15 * time.Minute
	wantResult(t, f.poll(), result{OnServer: -1, Err: errAny})
	for range 14 {
		f.now.Add(time.Minute)
		wantResult(t, f.poll(), result{OnServer: -1, Skip: fetcher.TooSoon})
	}
}

// Credentials that worked before and are refused now may be right: the first two
// refusals are marked so, and only the third one makes the account wait for long.
func TestRefusedCredentialsAreUnconfirmedAtFirst(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "PASS" && verb != "AUTH" || !refused.Load() {
			return false
		}
		s.Err("[AUTH] invalid password")
		return true
	}})
	f.poll()
	refused.Store(true)
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 40 * time.Minute} {
		r := f.poll()
		wantResult(t, r, result{OnServer: -1, Err: errAny})
		var unconfirmed *fetcher.UnconfirmedAuthError
		if got, want := errors.As(r.Err, &unconfirmed), i < 2; got != want {
			t.Errorf("poll %d: an UnconfirmedAuthError: %v (%v), want %v", i+1, got, r.Err, want)
		}
		a, err := f.store.Accounts(t.Context())
		must(t, err)
		if got := a[0].NotBefore.Sub(f.now.Now()); got != want {
			t.Errorf("poll %d: the account waits %v, want %v", i+1, got, want)
		}
	}
	refused.Store(false)
	wantResult(t, f.poll(), result{})
}

func TestNOOPKeepsSessionAliveWhileDestinationIsSlow(t *testing.T) {
	t.Parallel()
	alive := make(chan struct{})
	f := newFixture(t, faults{
		pop: closeAtNOOP(alive),
		smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
			if e.Stage == forwarder.StageDot {
				<-alive // it answers once the POP3 server was heard from
			}
			return smtptest.Fault{}
		}},
	})
	f.account.Source.Timeout = shortTimeout
	f.account.Policy.Keep = false
	f.add("m1")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}})
}

// closeAtNOOP closes a channel at the first NOOP.
func closeAtNOOP(c chan struct{}) popHandler {
	first := sync.OnceFunc(func() { close(c) })
	return func(_ *pop3test.Session, verb, _ string) bool {
		if verb == "NOOP" {
			first()
		}
		return false
	}
}

func TestLargeMailboxIsEmptiedInSeveralSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add(numbered(4500)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 4500}})
	f.wantSent("QUIT", 2)
}

func TestPollTriesEachDeferredMessageOnce(t *testing.T) {
	t.Parallel()
	const messages = 1001 // more than are written at once
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), exceptFirst)})
	f.account.Policy.Keep = false
	f.add(numbered(messages)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1, Deferred: messages - 1}, OnServer: messages - 1})
	for _, r := range f.records() {
		if r.Attempts != 1 {
			t.Fatalf("%s was tried %d times, want 1", r.UID, r.Attempts)
		}
	}
}

// Transactions that were begun are finished and recorded; as not all that was
// given out was sent, the session does not end in QUIT and deletes nothing.
func TestStopFinishesDeliveriesInFlight(t *testing.T) {
	t.Parallel()
	var f *fixture
	f = newFixture(t, faults{pool: oneInFlight, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 2 {
			close(f.stop)
		}
		return smtptest.Fault{}
	}}})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3", "m4", "m5")
	r := f.poll()
	n := len(f.arrived())
	wantResult(t, r, result{Counts: counts{Forwarded: n}, OnServer: 5, Err: fetcher.ErrStopped})
	if n >= 5 {
		t.Errorf("%d messages arrived, want fewer than 5", n)
	}
	f.wantLeft("uid-m1", "uid-m2", "uid-m3", "uid-m4", "uid-m5")
	f.wantAll("forwarded")
	f.stop = make(chan struct{})
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 5 - n}})
	f.wantArrived("m1", "m2", "m3", "m4", "m5")
	f.wantLeft()
}

// A poll that is broken off at once has not failed.
func TestCancelledPollCausesNoBackoff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "RETR" || ctx.Err() != nil {
			return false
		}
		cancel(errTest)
		s.Hang()
		return true
	}})
	f.add("m1")
	wantResult(t, f.pollWith(ctx, false), result{OnServer: 1, Err: errTest})
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}

// Headers are asked for by TOP again, and not by RETR instead.
func TestCancelDuringTOPIsNotHeldAgainstTheServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "TOP" || ctx.Err() != nil {
			return false
		}
		cancel(errTest)
		s.Hang()
		return true
	}})
	f.add("m1")
	f.poll()
	f.account.Policy.Keep = false // its header is asked for before it is deleted
	wantResult(t, f.pollWith(ctx, false), result{OnServer: 1, Err: errTest})
	wantResult(t, f.poll(), result{})
	f.wantLeft()
	wantList(t, "commands", f.verbs("RETR", "TOP"), []string{"RETR", "TOP", "TOP"})
}

func TestPanicFailsThePollAndReleasesTheLease(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	dial := f.account.Source.Dial
	f.account.Source.Dial = nil
	r := f.poll()
	wantResult(t, r, result{OnServer: -1, Err: errAny})
	if want := "a bug in popferry"; r.Err == nil || !strings.Contains(r.Err.Error(), want) {
		t.Fatalf("error: %v, want one that contains %q", r.Err, want)
	}
	f.account.Source.Dial = dial
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}

// panicking is a ledger that panics when a row is read.
type panicking struct {
	fetcher.Lease
	before func()
}

func (p panicking) Record(context.Context, int64) (*ledger.Record, error) {
	p.before()
	panic("a bug")
}

// The lease is not given back under a transaction, so that its outcome is on disk
// before anybody polls again.
func TestPanicReleasesTheLeaseAfterDeliveriesInFlight(t *testing.T) {
	t.Parallel()
	inFlight, panicked := make(chan struct{}, 10), make(chan struct{})
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage != forwarder.StageDot:
		case e.Message == 1:
			return reply(451)
		default:
			inFlight <- struct{}{}
			<-panicked
		}
		return smtptest.Fault{}
	}}})
	f.add("m1")
	f.poll() // deferred: it comes last now, and its row is read
	f.add("m2")
	f.now.Add(time.Hour)
	before := sync.OnceFunc(func() { <-inFlight; close(panicked) })
	f.lease = func(l fetcher.Lease) fetcher.Lease { return panicking{l, before} }
	r := f.poll()
	var bug *fetcher.PanicError
	if !errors.As(r.Err, &bug) {
		t.Errorf("error: %v, want a *PanicError", r.Err)
	}
	f.wantState("uid-m2", "forwarded")
	f.lease = nil
	f.pollEvery12Hours(2, true)
	f.wantArrived("m1", "m2")
}

// More than a year of one poll a day in a mailbox that is kept for 30 days, with
// mail each day and a clock that jumps back now and then: the mailbox does not
// grow, nor, with old rows pruned, does the ledger.
func TestYearOfDailyPollsLosesAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = 30 * 24 * time.Hour
	const days = 400
	var want []string
	for day := range days {
		name := fmt.Sprint("day", day)
		want = append(want, name)
		f.add(name)
		if day%50 == 49 {
			f.now.Add(-36 * time.Hour)
		}
		if r := f.poll(); r.Err != nil || r.Forwarded != 1 {
			t.Fatalf("day %d: %d forwarded, error %v; want 1, no error", day, r.Forwarded, r.Err)
		}
		f.now.Add(24 * time.Hour)
	}
	f.wantArrivedInOrder(want...)
	if left := f.left(); len(left) < 29 || len(left) > 34 {
		t.Errorf("%d messages are left, want those of 30 days", len(left))
	}
	n, err := f.store.Prune(t.Context())
	must(t, err)
	if n < 250 {
		t.Errorf("%d rows were pruned, want at least 250", n)
	}
	if r := f.poll(); r.Err != nil || r.Forwarded != 0 {
		t.Errorf("after pruning: %d forwarded, error %v; want 0, no error", r.Forwarded, r.Err)
	}
}

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
	if r := f.poll(); r.Err != nil || r.Forwarded != 3 || r.OnServer != 3 || r.TryAgain() {
		t.Fatalf("%+v", r)
	}
	f.add("m4")
	if r := f.poll(); r.Err != nil || r.Forwarded != 1 || r.OnServer != 4 {
		t.Fatalf("%+v", r)
	}
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2", "m3", "m4"})
	same(t, "left", f.left(), []string{"uid-m1", "uid-m2", "uid-m3", "uid-m4"})
}

func TestLeasedAccountIsSkipped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	l, err := f.store.Lease(t.Context(), f.account.ID)
	must(t, err)
	if r := f.poll(); r.Skip != fetcher.Leased || r.TryAgain() {
		t.Errorf("%+v", r)
	}
	must(t, l.Release())
	if r := f.poll(); r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
}

func TestMinIntervalSkipsPollsThatComeTooSoon(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MinInterval = time.Minute
	f.poll()
	f.now.Add(59 * time.Second)
	if r := f.poll(); r.Skip != fetcher.TooSoon || r.TryAgain() {
		t.Errorf("%+v", r)
	}
	f.now.Add(time.Second)
	if r := f.poll(); r.Skip != fetcher.NotSkipped {
		t.Errorf("%+v", r)
	}
}

// TestMinIntervalCountsLoginsWithoutAListing, also one that led to nothing.
func TestMinIntervalCountsLoginsWithoutAListing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: refuse("login allowed only every 15 minutes", "UIDL")})
	f.account.Policy.MinInterval = 15 * time.Minute
	for i := range 15 {
		if r := f.poll(); (r.Skip == fetcher.NotSkipped) != (i == 0) {
			t.Errorf("minute %d: %+v", i, r)
		}
		f.now.Add(time.Minute)
	}
}

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
	waits := []time.Duration{time.Minute, 2 * time.Minute, 40 * time.Minute}
	for i, wait := range waits {
		r := f.poll()
		var doubted *fetcher.UnconfirmedAuthError
		if errors.As(r.Err, &doubted) != (i < 2) {
			t.Errorf("try %d: %v", i+1, r.Err)
		}
		a, err := f.store.Accounts(t.Context())
		must(t, err)
		if got := a[0].NotBefore.Sub(f.now.Now()); got != wait {
			t.Errorf("try %d: it waits %v, want %v", i+1, got, wait)
		}
	}
	refused.Store(false)
	if r := f.poll(); r.Err != nil {
		t.Error(r.Err)
	}
}

func TestNOOPKeepsSessionAliveWhileDestinationIsSlow(t *testing.T) {
	t.Parallel()
	awake := make(chan struct{})
	var once atomic.Bool
	b := faults{
		pop: func(_ *pop3test.Session, verb, _ string) bool {
			if verb == "NOOP" && once.CompareAndSwap(false, true) {
				close(awake)
			}
			return false
		},
		smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
			if e.Stage == forwarder.StageDot {
				<-awake // the destination is slow: it answers once the POP3 server was heard from
			}
			return smtptest.Fault{}
		}},
	}
	f := newFixture(t, b)
	f.account.Source.Timeout = shortTimeout
	f.account.Policy.Keep = false
	f.add("m1")
	if r := f.poll(); r.Err != nil || r.Forwarded != 1 || r.OnServer != 0 {
		t.Errorf("%+v", r)
	}
}

// TestLargeMailboxIsEmptiedInSeveralSessions where its messages are deleted.
func TestLargeMailboxIsEmptiedInSeveralSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add(numbered(4500)...)
	r := f.poll()
	if r.Err != nil || r.Forwarded != 4500 || r.OnServer != 0 {
		t.Errorf("%+v", r)
	}
	if n := len(f.verbs("QUIT")); n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// TestPollTriesEachDeferredMessageOnce: a poll tries each message once, and ends.
func TestPollTriesEachDeferredMessageOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: greylist(1 << 20)})
	f.account.Policy.Keep = false
	f.add(numbered(1001)...)
	f.poll()
	for _, r := range f.records() {
		if r.Attempts > 1 {
			t.Fatalf("%s was tried %d times", r.UID, r.Attempts)
		}
	}
}

func TestStopFinishesDeliveriesInFlight(t *testing.T) {
	t.Parallel()
	var f *fixture
	b := faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 2 {
			close(f.stop)
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	f = newFixture(t, b)
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3", "m4", "m5")
	r := f.poll()
	if !strings.Contains(fmt.Sprint(r.Err), "stopped") || len(f.arrived()) >= 5 {
		t.Fatalf("%+v", r)
	}
	// Not all that was given out was sent, so the session was not ended.
	if r.Forwarded != len(f.arrived()) || len(f.left()) != 5 {
		t.Errorf("%d forwarded, %v arrived, %v left", r.Forwarded, f.arrived(), f.left())
	}
	for uid, s := range f.states() {
		if s != "forwarded" {
			t.Errorf("%s is %s", uid, s)
		}
	}
	f.stop = make(chan struct{})
	f.poll()
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2", "m3", "m4", "m5"})
	same(t, "left", f.left(), nil)
}

// TestCancelledPollCausesNoBackoff is no failure, and is not waited after.
func TestCancelledPollCausesNoBackoff(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "RETR" || ctx.Err() != nil {
			return false
		}
		stop(errors.New("stopped at once"))
		s.Hang()
		return true
	}})
	f.add("m1")
	if r := f.pollUnder(ctx); r.Err == nil {
		t.Errorf("%+v", r)
	}
	if r := f.pollAs(false); r.Skip != fetcher.NotSkipped || r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
}

// TestCancelDuringTOPIsNotHeldAgainstTheServer teaches nothing about the server: a header is asked for by TOP
// again, and no whole message instead.
func TestCancelDuringTOPIsNotHeldAgainstTheServer(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var asked []string
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" || verb == "RETR" {
			asked = append(asked, verb)
		}
		if verb != "TOP" || ctx.Err() != nil {
			return false
		}
		stop(errors.New("stopped at once"))
		s.Hang()
		return true
	}})
	f.add("m1")
	f.poll()
	f.account.Policy.Keep = false // its header is asked for before it is deleted
	f.pollUnder(ctx)
	if r := f.poll(); r.Err != nil || len(f.left()) != 0 {
		t.Errorf("%+v, left %v", r, f.left())
	}
	same(t, "asked", asked, []string{"RETR", "TOP", "TOP"})
}

func TestPanicFailsThePollAndReleasesTheLease(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	f.account.Source.Dial = nil
	r := f.poll()
	if r.Err == nil || !strings.Contains(r.Err.Error(), "bug") {
		t.Fatalf("%+v", r)
	}
	f.account = f.newAccount(f.account.ID)
	if r := f.poll(); r.Forwarded != 1 { // the lease was given back
		t.Errorf("%+v", r)
	}
}

// panicking is a ledger that panics when a row is read.
type panicking struct {
	fetcher.Lease
	panics func()
}

func (p panicking) Record(context.Context, int64) (*record, error) {
	p.panics()
	panic("a bug")
}

// TestPanicReleasesTheLeaseAfterDeliveriesInFlight: the lease is not given back under a
// transaction, so that its outcome is on disk before anybody polls again.
func TestPanicReleasesTheLeaseAfterDeliveriesInFlight(t *testing.T) {
	t.Parallel()
	inFlight, panicked := make(chan struct{}, 10), make(chan struct{})
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage != forwarder.StageDot:
		case e.Message == 1:
			return smtptest.Fault{Code: 451, Text: "later"}
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
	panics := sync.OnceFunc(func() { <-inFlight; close(panicked) })
	f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := f.store.Lease(ctx, id)
		return panicking{l, panics}, err
	}
	var bug *fetcher.PanicError
	if r := f.poll(); !errors.As(r.Err, &bug) || f.states()["uid-m2"] != "forwarded" {
		t.Errorf("%+v, %v", r, f.states())
	}
	f.lease = nil
	f.pollTwiceDaily(2, true)
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2"})
}

// TestYearOfDailyPollsLosesAndDuplicatesNothing plays more than a year of one poll a day in a mailbox kept for 30
// days, with mail each day: nothing is lost or comes twice, and the mailbox
// does not grow.
func TestYearOfDailyPollsLosesAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = 30 * 24 * time.Hour
	const days = 400
	for day := range days {
		f.add(fmt.Sprint("day", day))
		if day%50 == 49 {
			f.now.Add(-36 * time.Hour) // a clock that jumps back
		}
		if r := f.poll(); r.Err != nil {
			t.Fatalf("day %d: %v", day, r.Err)
		}
		f.now.Add(24 * time.Hour)
	}
	if got := f.arrived(); len(got) != days || len(sorted(got)) != days {
		t.Errorf("%d messages arrived, want %d", len(got), days)
	}
	if left := f.left(); len(left) < 29 || len(left) > 34 {
		t.Errorf("%d messages are left, want those of 30 days", len(left))
	}
	n, err := f.store.Prune(t.Context(), f.now.Now().Add(-90*24*time.Hour))
	must(t, err)
	if n < 250 {
		t.Errorf("%d rows pruned", n)
	}
	var rows int
	must(t, f.store.Messages(t.Context(), ledger.Filter{}, func(string, *ledger.Record) error { rows++; return nil }))
	if r := f.poll(); r.Err != nil || r.Forwarded != 0 {
		t.Errorf("after pruning to %d rows: %+v", rows, r)
	}
}

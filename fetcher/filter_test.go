package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imaptest"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// filterFunc is a filter that says something of a message by its name.
type filterFunc func(ctx context.Context, name string) (fetcher.Verdict, error)

func (f filterFunc) Look(ctx context.Context, message io.Reader) (fetcher.Verdict, error) {
	octets, err := io.ReadAll(message)
	if err != nil {
		return fetcher.Verdict{}, err
	}
	return f(ctx, nameOfOctets(octets))
}

// spamFilter drops what is called spam, sends what is called work elsewhere, and keeps
// the rest.
func spamFilter(_ context.Context, name string) (v fetcher.Verdict, err error) {
	switch {
	case strings.HasPrefix(name, "spam"):
		v.Drop, v.Reason = true, "it is "+name
	case strings.HasPrefix(name, "work"):
		v.To = []string{"work@example.org"}
	}
	return v, nil
}

// recipients are who got each message.
func (f *fixture) recipients() map[string]string {
	out := make(map[string]string)
	for _, m := range f.smtp.Messages() {
		out[nameOf(m)] += strings.Join(m.Recipients, " ")
	}
	return out
}

func wantRecipients(t *testing.T, f *fixture, want map[string]string) {
	t.Helper()
	if got := f.recipients(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the messages went to %v, want %v", got, want)
	}
}

func TestFilterKeepsDropsAndSorts(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*hiding{"": nil, "at a server that hides": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: hides, pool: oneConnection})
			f.account.Source.Hides = hides != nil
			f.account.Filter, f.account.Policy.Keep = filterFunc(spamFilter), false
			f.add("m1", "spam1", "work1", "m2", "m3", "m4", "spam2", "m5")
			r := f.poll()
			if r.Forwarded != 6 || r.Skipped != 2 || r.Err != nil || r.TryAgain() {
				t.Errorf("got %s, want 6 forwarded, 2 skipped", inWords(r))
			}
			f.wantArrivedInOrder("m1", "work1", "m2", "m3", "m4", "m5")
			const me = "me@example.org"
			wantRecipients(t, f, map[string]string{"m1": me, "work1": "work@example.org", "m2": me, "m3": me, "m4": me, "m5": me})
			f.wantState("uid-spam1", "skipped")
			if got := f.record("uid-spam1").Cause; got.Code != ledger.CauseFiltered || !strings.Contains(got.Text, "it is spam1") {
				t.Errorf("the reason is %+v", got)
			}
			if hides == nil {
				f.wantLeft("uid-spam1", "uid-spam2")
			}
			wantResult(t, f.poll(), result{OnServer: len(f.left())})
		})
	}
}

// The octets that are sent are the same with a filter as without.
func TestFilterChangesNoOctets(t *testing.T) {
	t.Parallel()
	var bodies []string
	for _, filter := range []fetcher.Filter{nil, filterFunc(spamFilter)} {
		f := newFixture(t, faults{})
		f.account.Filter = filter
		f.add("m1")
		f.poll()
		_, body := withoutTrace(f.smtp.Messages()[0])
		bodies = append(bodies, body)
	}
	if bodies[0] != bodies[1] || !strings.Contains(bodies[0], "\r\n.dot\r\n") {
		t.Errorf("%q with a filter, %q without", bodies[1], bodies[0])
	}
}

// It comes though the filter has not changed its mind.
func TestRetryOfADroppedMessageSendsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Filter = filterFunc(spamFilter)
	f.add("spam1")
	f.poll()
	f.retry("uid-spam1")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
	f.wantArrived("spam1")
}

// retry is what "popferry retry" does.
func (f *fixture) retry(uid string) {
	f.t.Helper()
	rec := f.record(uid)
	f.underLease(func(ctx context.Context, l fetcher.Lease) error {
		if !rec.Retry(f.now.Now()) {
			return errors.New("not retryable")
		}
		return l.Put(ctx, rec)
	})
}

// fickle is a filter that says another address each time.
type fickle struct{ n atomic.Int32 }

func (f *fickle) Look(context.Context, io.Reader) (fetcher.Verdict, error) {
	return fetcher.Verdict{To: []string{fmt.Sprintf("to%d@example.org", f.n.Add(1))}}, nil
}

// A message that may have arrived is sent again to the same recipients, with the same
// octets, and so is one that the destination did not take for now.
func TestVerdictStaysWhenAMessageIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{"in doubt": {Close: true}, "deferred": reply(451)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			broken.Store(true)
			var mu sync.Mutex
			var asked []string
			f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case e.Stage == forwarder.StageRcpt:
					asked = append(asked, e.Address)
				case e.Stage == forwarder.StageDot && broken.Load():
					return fault
				}
				return smtptest.Fault{}
			}}, pool: oneConnection})
			filter := &fickle{}
			f.account.Filter = filter
			f.add("m1")
			for range 2 {
				f.poll()
				f.now.Add(time.Hour)
			}
			broken.Store(false)
			f.poll()
			wantList(t, "RCPT", asked, []string{"to1@example.org", "to1@example.org", "to1@example.org"})
			if got := filter.n.Load(); got != 1 {
				t.Errorf("the filter was asked %d times, want once", got)
			}
		})
	}
}

// A recipient that a filter chose and the destination refuses holds its message, and
// no other: the route is not at fault.
func TestRefusedChoiceHoldsOneMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, reply(550, 5, 1, 1), onAddress("work@"))})
	f.account.Filter = filterFunc(spamFilter)
	f.add("work1", "m1", "work2", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2, Held: 2}, OnServer: 4})
	f.wantArrived("m1", "m2")
	f.account.Filter = filterFunc(func(context.Context, string) (fetcher.Verdict, error) { return fetcher.Verdict{}, nil })
	f.retry("uid-work1") // once the filter was mended
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 4})
	f.wantArrived("m1", "m2", "work1")
}

// A folder that a filter names is where the message goes.
func TestFilterNamesAFolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	s := f.deliverByIMAP("INBOX", imaptest.Options{Folders: map[string]string{"Junk": ""}})
	f.account.Filter = filterFunc(func(_ context.Context, name string) (v fetcher.Verdict, err error) {
		switch name {
		case "spam":
			v.To = []string{"Junk"}
		case "lost":
			v.To = []string{"Nowhere"}
		}
		return v, nil
	})
	f.add("spam", "lost", "m1")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2, Held: 1}, OnServer: 3})
	for folder, want := range map[string]int{"INBOX": 1, "Junk": 1} {
		if got := len(s.Messages(folder)); got != want {
			t.Errorf("%d messages in %s, want %d", got, folder, want)
		}
	}
	f.wantState("uid-lost", "held")
}

// A filter that fails at one message holds up none of the others: that message is tried
// again later. A filter that fails at all of them ends the poll.
func TestFilterThatFails(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*hiding{"": nil, "at a server that hides": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bad atomic.Value
			bad.Store("m2")
			var looks atomic.Int32
			f := newFixture(t, faults{hides: hides})
			f.account.Source.Hides, f.account.Policy.Keep = hides != nil, false
			f.account.Filter = filterFunc(func(_ context.Context, name string) (fetcher.Verdict, error) {
				looks.Add(1)
				if strings.HasPrefix(name, bad.Load().(string)) {
					return fetcher.Verdict{}, errTest
				}
				return fetcher.Verdict{}, nil
			})
			f.add("m1", "m2", "m3", "m4")
			r := f.poll()
			if r.Forwarded != 3 || r.Deferred != 1 || r.Err != nil || !r.TryAgain() || r.Held+r.Skipped != 0 {
				t.Errorf("got %s, want 3 forwarded, 1 deferred", inWords(r))
			}
			if got := f.record("uid-m2").Cause.Text; !strings.Contains(got, errTest.Error()) {
				t.Errorf("the cause is %q, want the filter's error", got)
			}
			f.wantArrived("m1", "m3", "m4")
			bad.Store("m")
			f.now.Add(time.Hour)
			f.add(numbered(40)[4:]...)
			looks.Store(0)
			if r := f.poll(); !errors.Is(r.Err, errTest) || r.Forwarded != 0 {
				t.Errorf("got %s, want the filter's error", inWords(r))
			}
			if got := looks.Load(); got > 10 {
				t.Errorf("the filter was asked %d times in one poll, want a few", got)
			}
			bad.Store("none")
			for range 3 {
				f.now.Add(24 * time.Hour)
				f.poll()
			}
			f.wantArrived(numbered(40)...)
			f.wantCopies(0)
		})
	}
}

// A hanging filter ends with the poll, is no fault then, and loses nothing.
func TestStopEndsFilters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	hangs := true
	f.account.Filter = filterFunc(func(ctx context.Context, _ string) (v fetcher.Verdict, err error) {
		if hangs {
			close(f.stop)
			<-ctx.Done()
			return v, context.Cause(ctx)
		}
		return v, nil
	})
	f.add("m1")
	wantResult(t, f.poll(), result{OnServer: 1, Err: fetcher.ErrStopped})
	f.wantStates(nil)
	f.stop, hangs = make(chan struct{}), false
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}

// Looks run side by side, no more than a few.
func TestFiltersRunSideBySide(t *testing.T) {
	t.Parallel()
	var inside, most atomic.Int32
	both := make(chan struct{})
	f := newFixture(t, faults{})
	f.account.Filter = filterFunc(func(context.Context, string) (v fetcher.Verdict, err error) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 2 {
			close(both)
		}
		<-both
		return v, nil
	})
	f.add(numbered(2)...)
	f.poll()
	if got := most.Load(); got != 2 {
		t.Errorf("%d at once, want 2", got)
	}
	f.wantArrived(numbered(2)...)
}

// What a filter drops stays on its server, whatever leave_on_server says. Where the server
// gives each message only once, the copy stays for a month, and retry sends it; then it
// goes, but not while the clock is wrong.
func TestCopiesOfDroppedMessagesHaveAnEnd(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	f := newFixture(t, faults{hides: &hiding{}})
	f.account.Source.Hides = true
	f.account.Filter, f.account.Policy.Keep = filterFunc(spamFilter), false
	f.add("spam1", "spam2", "m1")
	f.poll()
	f.wantCopies(2)
	f.now.Add(29 * day)
	f.add("spam3")
	f.poll()
	f.wantCopies(3)
	f.retry("uid-spam2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}})
	f.wantCopies(2)
	f.now.Add(-60 * day)
	f.poll()
	f.wantCopies(2)
	f.now.Add(200 * day) // a jump that nobody believes
	f.poll()
	f.wantCopies(2)
	f.now.Add(-200*day + 62*day)
	f.poll() // the last one was in the future
	f.wantCopies(2)
	f.poll()
	f.wantCopies(1)
	f.wantState("uid-spam1", "skipped")
	if got := f.record("uid-spam1"); got.CopyFile != "" || got.Cause.Code != ledger.CauseFiltered {
		t.Errorf("got copy %q and cause %+v, want no copy and that the filter dropped it", got.CopyFile, got.Cause)
	}
	f.wantArrived("m1", "spam2")
}

// poisonFilter fails at what is called poison.
func poisonFilter(_ context.Context, name string) (v fetcher.Verdict, err error) {
	if strings.HasPrefix(name, "poison") {
		err = errTest
	}
	return v, err
}

// However many messages a filter fails at, and wherever they stand, the others come.
func TestMessagesAtWhichTheFilterFailsGoLast(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*hiding{"": nil, "at a server that hides": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: hides})
			f.account.Source.Hides, f.account.Policy.Keep = hides != nil, false
			f.account.Filter = filterFunc(poisonFilter)
			for i := range 6 {
				f.add(fmt.Sprint("poison", i))
			}
			f.add(numbered(5)...)
			f.pollHourly(4)
			f.wantArrived(numbered(5)...)
			if got := f.inState(ledger.Deferred); got != 6 {
				t.Errorf("%d are deferred, want the 6 at which the filter fails", got)
			}
		})
	}
}

// One message at which the filter fails holds up neither the mail that comes later nor
// the deletion of what has arrived.
func TestOneMessageAtWhichTheFilterFailsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	for _, gap := range []time.Duration{0, time.Minute} {
		f := newFixture(t, faults{})
		f.account.Policy.Keep, f.account.Policy.MinInterval = false, gap
		f.account.Filter = filterFunc(poisonFilter)
		f.add("poison1", "m1")
		for range 20 {
			f.pollBySchedule()
			f.now.Add(10 * time.Minute)
		}
		f.add("m2")
		f.pollBySchedule()
		f.wantArrived("m1", "m2")
		f.wantLeft("uid-poison1")
	}
}

// A panic at a message is the filter's error, and stays with that message.
func TestFilterThatPanics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Filter = filterFunc(func(_ context.Context, name string) (v fetcher.Verdict, err error) {
		if name == "m2" {
			panic("made to")
		}
		return v, nil
	})
	f.add("m1", "m2", "m3")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2, Deferred: 1}, OnServer: 3})
	f.wantState("uid-m2", "deferred")
}

package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
)

// keepsMail has popferry know that the server does not hide what was retrieved.
func (f *fixture) keepsMail() {
	f.t.Helper()
	f.underLease(func(ctx context.Context, l fetcher.Lease) error {
		a, err := l.Account(ctx)
		a.Server.RetrKeeps.Prove(true, f.now.Now())
		return errors.Join(err, l.PutAccount(ctx, a))
	})
}

func TestHeldMessageThatLeftIsGoneAndHeldWhenItIsBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(550), onMessage(1))})
	f.keepsMail()
	f.add("bad")
	f.poll()
	refused := f.record("uid-bad")
	f.add("m2")
	f.poll()
	all := f.pop.Messages("leo")
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.poll()
	f.wantState("uid-bad", "gone")
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return all })
	f.poll()
	f.wantState("uid-bad", "held") // it was refused, and still is
	if r := f.record("uid-bad"); r.Cause != refused.Cause || r.Attempts != refused.Attempts {
		t.Errorf("it is held after %d attempts for %+v, want %d and %+v", r.Attempts, r.Cause, refused.Attempts, refused.Cause)
	}
	f.wantArrived("m2")
}

// Also if it is listed with another size then.
func TestDeferredMessageThatIsBackIsForwarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), onMessage(1))})
	f.keepsMail()
	f.add("m1", "other")
	f.poll() // deferred: its header is known
	all := f.pop.Messages("leo")
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.pollEvery12Hours(1, true)
	f.wantState("uid-m1", "gone")
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return all })
	f.lengthenFirst()
	f.pollEvery12Hours(3, true)
	f.wantArrived("m1", "other")
}

// That a message has left is believed when it is no longer listed: servers say "no
// such message" of one that they cannot read.
func TestMessageIsGoneWhenItIsNoLongerListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if m := s.Message(arg); verb != "RETR" || m == nil || m.UID != "uid-m1" {
			return false
		}
		s.Err("unable to fetch message number %s: I/O error", arg)
		return true
	}})
	f.add("m1", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1, Deferred: 1}, OnServer: 2})
	f.pollEvery12Hours(1, true)
	f.wantState("uid-m1", "deferred")
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.pollEvery12Hours(1, true)
	f.wantState("uid-m1", "gone")
	f.wantArrived("m2")
}

// One that was tried often, and then was not listed once, is not tried before it is
// due.
func TestMessageThatIsBackKeepsItsNextAttempt(t *testing.T) {
	t.Parallel()
	p := partialListing{uids: []string{"2 uid-m2"}, list: []string{fmt.Sprint("2 ", len(octetsOf("m2")))}}
	f := newFixture(t, faults{pop: p.handle, smtp: smtpFault(forwarder.StageDot, reply(451))})
	f.keepsMail()
	f.add("m1", "m2")
	for range 8 {
		f.poll()
	}
	tried := f.record("uid-m1").Attempts
	p.on.Store(true)
	f.now.Add(time.Minute)
	f.pollBySchedule()
	f.wantState("uid-m1", "gone")
	p.on.Store(false)
	f.pollBySchedule()
	if got := f.record("uid-m1").Attempts; got != tried {
		t.Errorf("tried %d times, want %d as before it left", got, tried)
	}
}

// A UID that was missing for a poll and is back is not believed.
func TestMissingUIDThatIsBackWithAnotherMessageForwardsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.addUnder("1", octetsOf("aa"))
	f.add("m2")
	f.poll()
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.poll()
	f.addUnder("1", octetsOf("bb"))
	f.pollEvery12Hours(3, true)
	f.wantArrived("aa", "bb", "m2")
}

func TestPartialListingsForwardNothingAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(20)...)
	f.poll()
	all := f.pop.Messages("leo")
	for _, part := range [][2]int{{0, 0}, {0, 20}, {0, 5}, {5, 10}, {10, 20}, {0, 0}, {0, 20}} {
		f.now.Add(40 * 24 * time.Hour)
		f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return all[part[0]:part[1]] })
		wantResult(t, f.poll(), result{OnServer: part[1] - part[0]})
	}
}

// A held message that is not listed under its UID, and turns out to be there under
// another one in the same poll, is held and not gone.
func TestHeldMessageUnderAnotherUIDStaysHeld(t *testing.T) {
	t.Parallel()
	noTop := popRefuses("unknown command", "TOP")
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(550), onMessage(1)), pop: func(s *pop3test.Session, verb, arg string) bool {
		return noTop(s, verb, arg) || freshUIDs(s, verb, arg)
	}})
	f.keepsMail()
	f.add("bad", "m2")
	f.poll()
	for range 2 {
		f.pollEvery12Hours(1, true)
		if got := f.inState(ledger.Held); got != 1 {
			t.Errorf("%d messages are held, want 1: %v", got, f.states())
		}
	}
	f.wantArrived("m2")
}

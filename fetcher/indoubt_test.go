package fetcher_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/doubt"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imaptest"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// At an IMAP destination a message in doubt is looked for before it is sent again, so
// that it comes once, however the mailbox is polled meanwhile.

// keepsAndCuts is an IMAP server that keeps the n-th message that it gets, and ends the
// connection instead of an answer.
func keepsAndCuts(n int32) imaptest.Options {
	var messages atomic.Int32
	return imaptest.Options{Fault: func(e imaptest.Event) (f imaptest.Fault) {
		if e.Command == "MESSAGE" && messages.Add(1) == n {
			f = imaptest.Fault{Close: true, Store: true}
		}
		return f
	}}
}

// wantInbox: these messages lie in the inbox, each once.
func (f *fixture) wantInbox(s *imaptest.Server, names ...string) {
	f.t.Helper()
	var got []string
	for _, m := range s.Messages("INBOX") {
		got = append(got, nameOfOctets(m.Octets))
	}
	wantList(f.t, "in the inbox (sorted)", sorted(got), sorted(names))
}

// later has the clock pass on when the second session begins.
func later(f **fixture, d time.Duration) popHandler {
	return func(s *pop3test.Session, verb, _ string) bool {
		if verb == "" && s.Number == 2 {
			(*f).now.Add(d)
		}
		return false
	}
}

// cutsSession ends the first session at the n-th message.
func cutsSession(n string) popHandler {
	return func(s *pop3test.Session, verb, arg string) bool {
		if verb == "RETR" && arg == n && s.Number == 1 {
			s.Close()
			return true
		}
		return false
	}
}

// A poll has a second session, because a server that hides may show more mail in it, or
// because the first one broke; and the back-off of the message is over by then.
func TestMessageInDoubtIsLookedForBeforeTheNextSession(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*hiding{"the first one broke": nil, "the server hides": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			clock := later(&f, 2*time.Minute)
			cut := func(*pop3test.Session, string, string) bool { return false }
			if hides == nil {
				cut = cutsSession("4")
			}
			f = newFixture(t, faults{hides: hides, pop: func(s *pop3test.Session, verb, arg string) bool {
				return clock(s, verb, arg) || cut(s, verb, arg)
			}})
			f.account.Source.Hides = hides != nil
			s := f.deliverByIMAP("INBOX", keepsAndCuts(1))
			f.add(numbered(6)...)
			r := f.pollBySchedule()
			if r.Err != nil || r.Forwarded != 6 || r.Unknown+r.Deferred != 0 || r.TryAgain() {
				t.Errorf("the poll came to %s, want all six forwarded, and nothing to be tried again", inWords(r))
			}
			f.wantInbox(s, numbered(6)...)
			f.wantAll("forwarded")
		})
	}
}

// A user who asks for a poll does not ask for each message twice: what was tried in it
// waits for its next attempt, also if the session broke.
func TestPollThatIsAskedForTriesAMessageOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: cutsSession("4"), pool: oneInFlight, smtp: smtptest.Options{Fault: func(e smtptest.Event) (fault smtptest.Fault) {
		if e.Stage == forwarder.StageDot && nameOfOctets(e.Data) == "m1" {
			fault = smtptest.Fault{Close: true, Keep: true}
		}
		return fault
	}}})
	f.add(numbered(6)...)
	r := f.poll()
	if r.Forwarded != 5 || r.Unknown != 1 {
		t.Errorf("the poll came to %s, want one unclear and the others forwarded", inWords(r))
	}
	f.wantArrived(numbered(6)...)
	f.poll() // another one does try it again
	f.wantArrived(append(numbered(6), "m1")...)
}

// The same for a retained copy, which is sent before the session begins.
func TestPollThatIsAskedForSendsACopyInDoubtOnce(t *testing.T) {
	t.Parallel()
	var refuses, cuts atomic.Bool
	refuses.Store(true)
	f := newFixture(t, faults{hides: &hiding{}})
	f.account.Source.Hides = true
	s := f.deliverByIMAP("INBOX", imaptest.Options{Fault: func(e imaptest.Event) (fault imaptest.Fault) {
		switch {
		case e.Command == "MESSAGE" && refuses.Load():
			fault.Reply = "NO [UNAVAILABLE] later"
		case e.Command == "MESSAGE" && cuts.CompareAndSwap(true, false):
			fault = imaptest.Fault{Close: true, Store: true}
		}
		return fault
	}})
	f.add("m1")
	f.pollBySchedule()
	f.wantState("uid-m1", "deferred")
	refuses.Store(false)
	cuts.Store(true)
	f.now.Add(time.Hour)
	f.poll()
	f.wantInbox(s, "m1")
	f.wantState("uid-m1", "forwarded")
	f.wantCopies(0)
}

// cannotLook is a destination that cannot be asked while it fails.
type cannotLook struct {
	doubt.Finder
	fails *atomic.Bool
}

func (c cannotLook) Find(ctx context.Context, sought []forwarder.Sought) ([]bool, error) {
	if c.fails.Load() {
		return make([]bool, len(sought)), errTest
	}
	return c.Finder.Find(ctx, sought)
}

// looksFail has the destination fail when it is asked, while the result is true.
func (f *fixture) looksFail() *atomic.Bool {
	fails := new(atomic.Bool)
	f.account.Destination.Finder = cannotLook{f.account.Destination.Finder, fails}
	return fails
}

// A message in doubt is listed under another UID, and only when it was fetched it shows
// that it is known. It waits all the same, and stays on its server, or in a copy.
func TestMessageInDoubtUnderAnotherUIDWaits(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*hiding{"": nil, "the server hides": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: hides, pop: withoutTop})
			f.account.Source.Hides = hides != nil
			s := f.deliverByIMAP("INBOX", keepsAndCuts(1))
			fails := f.looksFail()
			f.add("m1")
			f.pollBySchedule()
			fails.Store(true)
			f.now.Add(10 * time.Minute)
			f.replace("another", octetsOf("m1"))
			if r := f.pollBySchedule(); r.Forwarded+r.Deferred != 0 || r.Waiting != 1 || !hasError(r.Err, errTest) {
				t.Errorf("the poll came to %s, want one waiting, and why it does", inWords(r))
			}
			f.wantState("another", "unknown")
			fails.Store(false)
			f.now.Add(10 * time.Minute)
			f.pollBySchedule()
			f.wantInbox(s, "m1")
			f.wantAll("forwarded")
			f.wantCopies(0)
		})
	}
}

// So does one that was refused for now.
func TestDeferredMessageUnderAnotherUIDWaits(t *testing.T) {
	t.Parallel()
	var refuses atomic.Bool
	refuses.Store(true)
	tries := 0
	f := newFixture(t, faults{pop: withoutTop, smtp: smtptest.Options{Fault: func(e smtptest.Event) (fault smtptest.Fault) {
		if e.Stage == forwarder.StageDot && refuses.Load() {
			tries++
			fault = reply(451)
		}
		return fault
	}}})
	f.add("m1")
	f.pollBySchedule()
	f.now.Add(10 * time.Minute)
	f.pollBySchedule()
	f.replace("another", octetsOf("m1"))
	if r := f.pollBySchedule(); tries != 2 || r.Deferred != 0 || r.Waiting != 1 {
		t.Errorf("tried %d times, and the poll came to %s; want twice, and one waiting", tries, inWords(r))
	}
	refuses.Store(false)
	f.now.Add(10 * time.Minute)
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
	f.wantArrived("m1")
	f.wantCopies(0)
}

// withoutTop is a server that does not have TOP.
func withoutTop(s *pop3test.Session, verb, _ string) bool {
	if verb == "TOP" {
		s.Err("no TOP here")
		return true
	}
	return false
}

// How long a message waits for a destination that cannot be asked counts from the first
// time on that it could not: where mail is collected once a day, too.
func TestMessageInDoubtIsNotSentAfterOneLookThatFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	s := f.deliverByIMAP("INBOX", keepsAndCuts(1))
	fails := f.looksFail()
	f.add("m1")
	f.pollBySchedule()
	fails.Store(true)
	f.now.Add(25 * time.Hour)
	f.pollBySchedule()
	f.wantState("uid-m1", "unknown")
	f.wantInbox(s, "m1")
	fails.Store(false)
	f.now.Add(time.Minute)
	f.pollBySchedule()
	if failed := f.accountRow().Server.LookFailed; !failed.IsZero() {
		t.Errorf("the destination could be asked again, and it is still noted that it could not since %v", failed)
	}
	f.wantInbox(s, "m1")
	f.wantState("uid-m1", "forwarded")
}

// Then it is sent again: once more is better than never.
func TestMessageInDoubtIsSentOnceItCouldNotBeLookedForForADay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	s := f.deliverByIMAP("INBOX", keepsAndCuts(1))
	fails := f.looksFail()
	f.add("m1")
	f.pollBySchedule()
	fails.Store(true)
	f.pollEvery12Hours(2, false)
	f.wantInbox(s, "m1")
	f.pollEvery12Hours(1, false)
	f.wantInbox(s, "m1", "m1")
}

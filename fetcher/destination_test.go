package fetcher_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestDestinationDownBacksOffAndMarksNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	f.smtpDown()
	r := f.poll()
	if r.Err == nil || len(f.records()) != 0 || len(f.left()) != 2 {
		t.Fatalf("%+v, ledger %v, left %v", r, f.states(), f.left())
	}
	// It backs off for itself, until a person asks or the time has come.
	if r := f.pollAs(false); r.Skip != fetcher.BackingOff || !r.TryAgain() {
		t.Errorf("%+v", r)
	}
	f.now.Add(2 * time.Minute)
	if r := f.pollAs(false); r.Skip != fetcher.NotSkipped {
		t.Errorf("%+v", r)
	}
}

// TestUnusableRecipientFailsThePollAndHoldsNothing is a fault of the configuration, not of
// the messages.
func TestUnusableRecipientFailsThePollAndHoldsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Destination.Recipients = []string{"jürgen@example.org"} // and no SMTPUTF8
	f.add(numbered(10)...)
	if r := f.poll(); r.Err == nil || f.in(ledger.Held) > 0 {
		t.Errorf("%+v, %v", r, f.states())
	}
}

// TestDestinationThatRefusesEverythingHoldsNothing is at fault itself: after five messages
// it is left alone, and none of them stays marked as refused, nor what was on
// its way.
func TestDestinationThatRefusesEverythingHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how      fetcher.Reject
		inFlight int
	}{{fetcher.Hold, 1}, {fetcher.Wrap, 1}, {fetcher.Hold, 32}, {fetcher.Wrap, 32}} {
		t.Run(fmt.Sprint(c.how, " ", c.inFlight), func(t *testing.T) {
			t.Parallel()
			broken := true
			b := faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				if e.Stage == forwarder.StageDot && broken {
					return smtptest.Fault{Code: 554, Text: "the queue is broken"}
				}
				return smtptest.Fault{}
			}}}
			b.pool.InFlight = c.inFlight
			f := newFixture(t, b)
			f.account.Policy.Keep = false
			f.account.Destination.OnReject = c.how
			f.add(numbered(20)...)
			r := f.poll()
			if r.Err == nil || r.Held != 0 || r.Deferred < 5 || c.inFlight == 1 && r.Deferred > 5 {
				t.Errorf("%+v", r)
			}
			broken = false
			if r := f.poll(); r.Err != nil || r.Forwarded != 20 || len(f.left()) != 0 {
				t.Errorf("%+v, %v", r, f.states())
			}
		})
	}
}

// TestRefusedMessagesInARowAreHeldInTheEnd are held in the end, though there are as many as
// make a destination suspect.
func TestRefusedMessagesInARowAreHeldInTheEnd(t *testing.T) {
	t.Parallel()
	var spam atomic.Bool
	b := faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageMail:
			spam.Store(strings.HasPrefix(e.Address, "sender-spam"))
		case e.Stage == forwarder.StageDot && spam.Load():
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "spam"}
		}
		return smtptest.Fault{}
	}}}
	b.pool.Connections = 1
	f := newFixture(t, b)
	f.account.Destination.Original = true
	f.add("spam1", "spam2", "spam3", "spam4", "spam5")
	missed := 0
	for i := range 60 {
		if i%10 == 0 {
			f.add(fmt.Sprint("good", i))
		}
		f.now.Add(10 * time.Minute)
		if r := f.pollAs(false); r.Err != nil || r.Skip != fetcher.NotSkipped {
			missed++
		}
	}
	if missed > 2 || f.in(ledger.Held) != 5 || len(f.arrived()) != 6 {
		t.Errorf("%d of 60 polls failed or were missed, arrived %v, %v", missed, f.arrived(), f.states())
	}
}

// TestMissingReplyStopsThePoll: how many messages may come twice does not grow
// with the mailbox.
func TestMissingReplyStopsThePoll(t *testing.T) {
	t.Parallel()
	b := failAt(forwarder.StageDot, "", smtptest.Fault{Close: true, Keep: true})
	b.pool.InFlight = 1
	f := newFixture(t, b)
	f.add(numbered(20)...)
	for i := range 4 {
		if r := f.poll(); r.Err == nil || len(f.arrived()) != i+1 || r.Unknown > 1 {
			t.Errorf("poll %d: %+v, %d arrived", i+1, r, len(f.arrived()))
		}
		f.now.Add(12 * time.Hour)
	}
}

// TestRefusedSendersHoldUpNoOther hold up nobody else, however many there are.
func TestRefusedSendersHoldUpNoOther(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{
		"for now":            {Code: 450, Enhanced: forwarder.EnhancedCode{4, 1, 8}, Text: "Sender address rejected: Domain not found"},
		"in words only":      {Code: 550, Text: "Sender verify failed"},
		"for good":           {Code: 553, Enhanced: forwarder.EnhancedCode{5, 1, 8}, Text: "no such domain"},
		"by hanging up":      {Close: true},
		"by ending politely": {Code: 421, Text: "go away"},
	} {
		for _, connections := range []int{1, 4} {
			t.Run(fmt.Sprint(name, ", connections ", connections), func(t *testing.T) {
				t.Parallel()
				b := failAt(forwarder.StageMail, "sender-bad", fault)
				b.pool.Connections = connections
				f := newFixture(t, b)
				f.account.Destination.Original = true
				f.add("bad1", "bad2", "bad3", "bad4")
				f.add(numbered(10)...)
				for range 48 { // a day
					f.pollAs(false)
					f.now.Add(30 * time.Minute)
				}
				same(t, "arrived", sorted(f.arrived()), sorted(numbered(10)))
			})
		}
	}
}

// TestMessagesThatLoseConnectionsDoNotStopPolls do not keep an account from being polled.
func TestMessagesThatLoseConnectionsDoNotStopPolls(t *testing.T) {
	t.Parallel()
	f := newFixture(t, failAt(forwarder.StageMail, "sender-bad", smtptest.Fault{Close: true}))
	f.account.Destination.Original = true
	f.add("bad1", "bad2", "bad3")
	missed := 0
	for i := range 60 {
		f.add(fmt.Sprint("n", i))
		if f.pollAs(false).Skip == fetcher.BackingOff {
			missed++
		}
		f.now.Add(10 * time.Minute)
	}
	if missed > 2 || len(f.arrived()) < 59 {
		t.Errorf("%d of 60 polls were missed, %d messages arrived", missed, len(f.arrived()))
	}
}

// TestGreylistingBySenderDeliversEverything: each sender is refused once, at RCPT.
func TestGreylistingBySenderDeliversEverything(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen, from := make(map[string]bool), make(map[int]string)
	b := faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch sender := from[e.Connection]; {
		case e.Stage == forwarder.StageMail:
			from[e.Connection] = e.Address
		case e.Stage == forwarder.StageRcpt && !seen[sender]:
			seen[sender] = true
			return smtptest.Fault{Code: 450, Enhanced: forwarder.EnhancedCode{4, 7, 1}, Text: "greylisted"}
		}
		return smtptest.Fault{}
	}}}
	b.pool.Connections = 1
	f := newFixture(t, b)
	f.account.Destination.Original = true
	f.add(numbered(30)...)
	for range 144 { // a day
		f.pollAs(false)
		f.now.Add(10 * time.Minute)
	}
	same(t, "arrived", sorted(f.arrived()), sorted(numbered(30)))
}

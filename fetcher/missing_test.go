package fetcher_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestHeldMessageThatLeftIsGoneAndHeldWhenItIsBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 1 {
			return smtptest.Fault{Code: 550, Text: "no"}
		}
		return smtptest.Fault{}
	}}})
	f.add("bad")
	f.poll()
	f.add("m2")
	f.poll()
	keep := f.pop.Messages("leo")
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.poll()
	if got := f.states()["uid-bad"]; got != "gone" {
		t.Errorf("it is %s", got)
	}
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return keep })
	f.poll()
	if got := f.states()["uid-bad"]; got != "held" { // it was refused, and still is
		t.Errorf("back on the server it is %s", got)
	}
	same(t, "arrived", f.arrived(), []string{"m2"})
}

// TestDeferredMessageThatIsBackIsForwarded is forwarded when it is back, also if it
// is listed with another size then.
func TestDeferredMessageThatIsBackIsForwarded(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	f := newFixture(t, faults{smtp: greylist(1), pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "TOP" && (verb != "RETR" || !gone.Load()) {
			return false
		}
		s.Err("no such message")
		return true
	}})
	f.add("m1")
	f.poll() // deferred: its header is known
	gone.Store(true)
	f.pollTwiceDaily(1, true)
	if got := f.states()["uid-m1"]; got != "gone" {
		t.Errorf("it is %s", got)
	}
	gone.Store(false)
	f.lengthenFirst()
	f.pollTwiceDaily(3, true)
	same(t, "arrived", f.arrived(), []string{"m1"})
}

// TestMessageThatIsBackKeepsItsNextAttempt: one that was tried often, and then not
// listed once, is not tried before it is due.
func TestMessageThatIsBackKeepsItsNextAttempt(t *testing.T) {
	t.Parallel()
	p := partialListing{uids: []string{"2 uid-m2"}, list: []string{fmt.Sprint("2 ", len(octetsOf("m2")))}}
	f := newFixture(t, faults{pop: p.handle, smtp: greylist(1 << 20)})
	f.add("m1", "m2")
	for range 8 {
		f.poll()
	}
	tried := f.record("uid-m1").Attempts
	p.on.Store(true)
	f.now.Add(time.Minute)
	f.pollAs(false)
	if got := f.states()["uid-m1"]; got != "gone" {
		t.Fatalf("it is %s: the test tests nothing", got)
	}
	p.on.Store(false)
	f.pollAs(false)
	if n := f.record("uid-m1").Attempts; n != tried {
		t.Errorf("tried %d times, and %d before", n, tried)
	}
}

// A UID that was missing for a poll and is back is not believed.
func TestMissingUIDThatIsBackWithAnotherMessageForwardsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("aa")})
	f.add("m2")
	f.poll()
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.poll()
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("bb")})
	f.pollTwiceDaily(3, true)
	same(t, "arrived", sorted(f.arrived()), []string{"aa", "bb", "m2"})
}

func TestPartialListingsForwardNothingAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(20)...)
	f.poll()
	var hidden []pop3test.Message
	show := func(from, to int) { // only a part of the mailbox
		f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			hidden = append(hidden, ms...)
			return hidden[from:to:to]
		})
		hidden = hidden[:20]
	}
	for _, window := range [][2]int{{0, 0}, {0, 20}, {0, 5}, {5, 10}, {10, 20}, {0, 0}, {0, 20}} {
		f.now.Add(40 * 24 * time.Hour)
		show(window[0], window[1])
		if r := f.poll(); r.Err != nil || r.Forwarded != 0 {
			t.Errorf("window %v: %+v", window, r)
		}
	}
}

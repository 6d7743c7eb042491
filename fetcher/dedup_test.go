package fetcher_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestMailLoopIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	f.poll()
	f.addUnder("back", f.smtp.Messages()[0].Data)
	hop := "Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
	f.addUnder("many hops", []byte(strings.Repeat(hop, 28)+"\r\nx\r\n"))
	f.addUnder("too many hops", []byte(strings.Repeat(hop, 29)+"\r\nx\r\n"))
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1, Held: 2}, OnServer: 4})
	f.wantStates(map[string]string{"uid-m1": "forwarded", "back": "held", "many hops": "forwarded", "too many hops": "held"})
}

// Even if its header is that of the first.
func TestSecondMessageUnderOneUIDIsForwarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	for i, body := range []string{"one", "two"} {
		f.addUnder("x", []byte("From: cron@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n"+body+"\r\n"))
		f.pollEvery12Hours(2, true)
		if got := len(f.smtp.Messages()); got != i+1 {
			t.Errorf("%d messages arrived, want %d", got, i+1)
		}
	}
	f.wantSent("RETR", 2)
}

func TestTwoMessagesUnderOneUIDHaveTwoRows(t *testing.T) {
	t.Parallel()
	var damaged atomic.Bool
	damaged.Store(true)
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), onMessage(1)), pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "1" || !damaged.Load() {
			return false
		}
		s.Err("[SYS/PERM] cannot read it")
		return true
	}})
	f.addUnder("1", octetsOf("aa"), octetsOf("aa"))
	f.pollEvery12Hours(1, true)
	damaged.Store(false)
	f.pollEvery12Hours(2, true)
	var traces []string
	for _, m := range f.smtp.Messages() {
		trace, _ := withoutTrace(m)
		traces = append(traces, trace)
	}
	if got := len(slices.Compact(sorted(traces))); got != 2 {
		t.Errorf("arrived under the traces %v, want 2 different ones", traces)
	}
	if got := f.inState(ledger.Forwarded); got != 2 {
		t.Errorf("%d rows are forwarded, want 2: %v", got, f.states())
	}
	f.wantSent("RETR", 4)
}

// All of these messages have the same size.
func TestReusedUIDAfterDeletionForwardsOnlyAnotherMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	for _, test := range []struct {
		name      string
		forwarded int
	}{{"aa", 1}, {"aa", 0}, {"bb", 1}, {"aa", 0}} {
		f.addUnder("hash-1", octetsOf(test.name))
		wantResult(t, f.poll(), result{Counts: counts{Forwarded: test.forwarded}})
	}
	f.wantArrivedInOrder("aa", "bb")
}

// The first message still waits for one of its recipients when its UID is given to
// another one.
func TestReusedUIDWhileARecipientIsPendingForwardsToAll(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, reply(450, 4, 2, 1), onAddress("later"),
		func(smtptest.Event) bool { return refused.CompareAndSwap(false, true) })})
	f.account.Policy.Keep = false
	f.account.Destination.Recipients = []string{"good@example.org", "later@example.org"}
	f.addUnder("1", octetsOf("m1"))
	f.poll()
	f.replace("1", octetsOf("m2")) // as long as the first
	f.pollEvery12Hours(1, true)
	var to []string
	for _, m := range f.smtp.Messages() {
		to = append(to, fmt.Sprint(nameOf(m), m.Recipients))
	}
	wantList(t, "arrived", to, []string{"m1[good@example.org]", "m2[good@example.org later@example.org]", "m1[later@example.org]"})
	f.wantLeft()
}

// They are told from each other by their sizes, also where LIST was refused when
// the first one was forwarded.
func TestReusedUIDAfterListingWithoutSizesForwardsBoth(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Bool
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				switch {
				case verb == "LIST" && arg == "" && refused.Load():
					s.Err("[SYS/TEMP] later")
				case verb == "DELE" && refused.Load():
					s.Err("no")
				default:
					return false
				}
				return true
			}})
			f.account.Policy.Keep = keep
			refused.Store(true)
			f.addUnder("1", octetsOf("m1"))
			f.poll()
			refused.Store(false)
			f.replace("1", octetsOf("a longer name"))
			f.pollEvery12Hours(3, true)
			f.wantArrivedInOrder("m1", "a longer name")
		})
	}
}

// The server's deletion was not heard of, and the UID is given to another message
// of the same size.
func TestReusedUIDAfterQUITWithoutReplyForwardsBoth(t *testing.T) {
	t.Parallel()
	var once atomic.Bool
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "QUIT" && once.CompareAndSwap(false, true) {
			s.Do("QUIT", "")
			s.Reset()
			return true
		}
		return false
	}})
	f.account.Policy.Keep = false
	f.addUnder("1", octetsOf("aa"))
	f.poll()
	f.addUnder("1", octetsOf("bb"))
	f.pollEvery12Hours(3, true)
	f.wantArrived("aa", "bb")
	f.wantLeft()
}

// Its header cannot identify it, and it was forwarded while LIST was refused.
func TestHeaderlessMessageBackAfterDeletionIsNotForwardedAgain(t *testing.T) {
	t.Parallel()
	var bad atomic.Bool
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "LIST" && arg == "" && bad.Load():
			s.Err("[SYS/TEMP] later")
		case verb == "QUIT" && bad.Load():
			s.OK("bye, but nothing is deleted")
			s.Close()
		default:
			return false
		}
		return true
	}})
	f.account.Policy.Keep = false
	bad.Store(true)
	f.addUnder("1", []byte("Subject: only\r\n\r\nx\r\n"))
	f.poll()
	bad.Store(false)
	f.pollEvery12Hours(3, true)
	if got := len(f.smtp.Messages()); got != 1 {
		t.Errorf("%d messages arrived, want 1", got)
	}
}

// A row without a fingerprint, because its message once broke off, does not match a
// message whose header could not be read.
func TestRowOfIncompleteMessageTakesNoOtherMessage(t *testing.T) {
	t.Parallel()
	var cut, noTop atomic.Bool
	cut.Store(true)
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		switch {
		case verb == "RETR" && cut.Load():
			s.Close()
		case verb == "TOP" && noTop.Load():
			s.Err("[SYS/TEMP] later")
		default:
			return false
		}
		return true
	}})
	f.addUnder("1", octetsOf("aa"), octetsOf("bb"))
	f.pollEvery12Hours(1, true)
	cut.Store(false)
	f.pollEvery12Hours(1, true)
	f.wantArrived("aa", "bb")
	noTop.Store(true)
	f.pollEvery12Hours(1, true)
	f.wantArrived("aa", "bb")
}

// A message that its header cannot identify was forwarded. Another one, with a
// header, has its UID and size now.
func TestMessageUnderTheUIDOfAHeaderlessOneIsNotDeletedForIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = 24 * time.Hour
	m := octetsOf("m1")
	f.addUnder("1", []byte("Subject: x\r\n\r\n"+strings.Repeat("x", len(m)-16)+"\r\n"))
	f.poll()
	f.replace("1", m)
	f.pollEvery12Hours(5, true)
	if left, arrived := len(f.left()), len(f.arrived()); left == 0 && arrived < 2 {
		t.Errorf("it was deleted, and %d messages arrived; want both before it is deleted", arrived)
	}
}

// A message came back under another UID, broke off once, and was known then. The row
// that it had meanwhile does not make it new again once it is deleted in vain.
func TestBrokenMessageThatIsKnownIsNotNewAgain(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "DELE":
			s.OK("as you like")
		case verb == "RETR" && broken.Load() && m.UID == "new":
			s.Write("+OK\r\nFrom: x")
			s.Close()
		default:
			return false
		}
		return true
	}})
	f.account.Policy.Keep = false
	f.add("m1")
	f.poll()
	f.replace("new", octetsOf("m1"))
	broken.Store(true)
	f.pollEvery12Hours(1, true)
	broken.Store(false)
	for range 5 {
		f.now.Add(12 * time.Hour)
		if r := f.poll(); r.Err != nil {
			t.Errorf("the poll failed: %v", r.Err)
		}
	}
	f.wantArrived("m1")
}

// The same where the server lists the message with another size, and shows no header.
func TestBrokenMessageUnderItsOldUIDIsNotNewAgain(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var more atomic.Int64
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "DELE":
			s.OK("as you like")
		case verb == "LIST" && arg == "":
			s.Lines("", fmt.Sprint("1 ", len(octetsOf("m1"))+int(more.Load())))
		case verb == "TOP":
			s.Err("[SYS/TEMP] later")
		case verb == "RETR" && broken.Load():
			s.Write("+OK\r\nFrom: x")
			s.Close()
		default:
			return false
		}
		return true
	}})
	f.account.Policy.Keep = false
	f.add("m1")
	f.poll()
	broken.Store(true)
	more.Store(5)
	f.pollEvery12Hours(1, true)
	broken.Store(false)
	f.pollEvery12Hours(5, true)
	f.wantArrived("m1")
}

// TestHeaderlessMessageWhoseUIDWasAnothersForATime: it was forwarded, or may have been,
// and is not sent under another trace when it is back.
func TestHeaderlessMessageWhoseUIDWasAnothersForATime(t *testing.T) {
	t.Parallel()
	headerless := []byte("Subject: backup\r\n\r\ndone\r\n")
	for name, fault := range map[string]smtptest.Options{
		"forwarded": {},
		"in doubt":  smtpFault(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}, onMessage(1)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{smtp: fault})
			f.replace("uid-1", headerless)
			f.pollEvery12Hours(1, false)
			f.replace("uid-1", octetsOf("m2"))
			f.pollEvery12Hours(1, false)
			f.replace("uid-1", headerless)
			f.pollEvery12Hours(2, false)
			traces := make(map[string]bool)
			for _, m := range f.smtp.Messages() {
				if trace, body := withoutTrace(m); body == string(headerless) {
					traces[trace] = true
				}
			}
			if len(traces) != 1 {
				t.Errorf("the message arrived under %d traces, want 1: %v", len(traces), traces)
			}
			if !slices.Contains(f.arrived(), "m2") {
				t.Error("the other message has not arrived, want it to")
			}
		})
	}
}

package fetcher_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestMailLoopIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	f.poll()
	f.pop.Add("leo", pop3test.Message{UID: "back", Octets: f.smtp.Messages()[0].Data})
	hops := strings.Repeat("Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n", 51)
	f.pop.Add("leo", pop3test.Message{UID: "hops", Octets: []byte(hops + "\r\nx\r\n")})
	if r := f.poll(); r.Held != 2 || r.Forwarded != 0 {
		t.Errorf("%+v", r)
	}
}

// TestSecondMessageUnderOneUIDIsForwarded is new, even if its header is that of the first.
func TestSecondMessageUnderOneUIDIsForwarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	for _, body := range []string{"one", "two"} {
		f.pop.Add("leo", pop3test.Message{UID: "x", Octets: []byte("From: cron@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n" + body + "\r\n")})
		f.pollTwiceDaily(2, true)
	}
	if n := len(f.smtp.Messages()); n != 2 || len(f.verbs("RETR")) != 2 {
		t.Errorf("%d arrived, fetched %v", n, f.verbs("RETR"))
	}
}

// Two messages under one UID never share a row.
func TestTwoMessagesUnderOneUIDHaveTwoRows(t *testing.T) {
	t.Parallel()
	var damaged atomic.Bool
	damaged.Store(true)
	f := newFixture(t, faults{smtp: greylist(1), pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "1" || !damaged.Load() {
			return false
		}
		s.Err("[SYS/PERM] cannot read it")
		return true
	}})
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("aa")}, pop3test.Message{UID: "1", Octets: octetsOf("aa")})
	f.pollTwiceDaily(1, true)
	damaged.Store(false)
	f.pollTwiceDaily(2, true)
	traces := make(map[string]bool)
	for _, m := range f.smtp.Messages() {
		trace, _ := split(m)
		traces[trace] = true
	}
	forwarded := 0
	for _, r := range f.records() {
		if r.State.String() == "forwarded" {
			forwarded++
		}
	}
	if len(traces) != 2 || forwarded != 2 {
		t.Errorf("%d traces, %d rows forwarded, %v", len(traces), forwarded, f.states())
	}
	if n := len(f.verbs("RETR")); n != 4 {
		t.Errorf("fetched %d times", n)
	}
}

func TestReusedUIDAfterDeletionForwardsOnlyAnotherMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	put := func(name string) {
		f.pop.Add("leo", pop3test.Message{UID: "hash-1", Octets: octetsOf(name)})
	}
	for i, name := range []string{"aa", "aa", "bb", "aa"} { // all of the same size
		put(name)
		if r := f.poll(); r.Err != nil || r.OnServer != 0 {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if got := strings.Join(f.arrived(), " "); got != "aa bb" {
		t.Errorf("arrived: %s", got)
	}
}

// TestReusedUIDWhileARecipientIsPendingForwardsToAll while the first one still waits for one of its
// recipients: the second goes to all of them.
func TestReusedUIDWhileARecipientIsPendingForwardsToAll(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageRcpt && strings.HasPrefix(e.Address, "later") && refused.CompareAndSwap(false, true) {
			return smtptest.Fault{Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "later"}
		}
		return smtptest.Fault{}
	}}})
	f.account.Policy.Keep = false
	f.account.Destination.Recipients = []string{"good@example.org", "later@example.org"}
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("m1")})
	f.poll()
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
		return []pop3test.Message{{UID: "1", Octets: octetsOf("m2")}} // as long as the first
	})
	f.pollTwiceDaily(1, true)
	var to []string
	for _, m := range f.smtp.Messages() {
		to = append(to, fmt.Sprint(f.nameOf(m), m.Recipients))
	}
	same(t, "arrived", to, []string{"m1[good@example.org]", "m2[good@example.org later@example.org]"})
	same(t, "left", f.left(), nil)
}

// A UID that is given to another message is told by its size, also where
// LIST was refused when the first one was forwarded.
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
			f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("m1")})
			f.poll()
			refused.Store(false)
			f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
				return []pop3test.Message{{UID: "1", Octets: octetsOf("a longer name")}}
			})
			f.pollTwiceDaily(3, true)
			same(t, "arrived", f.arrived(), []string{"m1", "a longer name"})
		})
	}
}

// The server's deletion was not heard of (QUIT's reply lost), and the UID
// is given to another message of the same size.
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
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("aa")})
	f.poll()
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("bb")})
	f.pollTwiceDaily(3, true)
	same(t, "arrived", sorted(f.arrived()), []string{"aa", "bb"})
	same(t, "left", f.left(), nil)
}

// A message without a header that could tell it, forwarded while LIST was
// refused, and back after its deletion.
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
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: []byte("Subject: only\r\n\r\nx\r\n")})
	f.poll()
	bad.Store(false)
	f.pollTwiceDaily(3, true)
	if n := len(f.smtp.Messages()); n != 1 {
		t.Errorf("%d arrived", n)
	}
}

// A row without a fingerprint (its message once broke off) must not take a
// message whose header could not be had for its own.
func TestRowOfIncompleteMessageTakesNoOtherMessage(t *testing.T) {
	t.Parallel()
	var cut, noTop atomic.Bool
	cut.Store(true)
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
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
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("aa")}, pop3test.Message{UID: "1", Octets: octetsOf("bb")})
	f.pollTwiceDaily(1, true)
	cut.Store(false)
	f.pollTwiceDaily(1, true)
	same(t, "arrived", sorted(f.arrived()), []string{"aa", "bb"})
	noTop.Store(true)
	f.pollTwiceDaily(1, true)
	same(t, "arrived", sorted(f.arrived()), []string{"aa", "bb"})
}

// A message without a header that could tell it was forwarded; another one,
// with a header, has its UID and size now, and is not deleted for it.
func TestMessageUnderTheUIDOfAHeaderlessOneIsNotDeletedForIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = 24 * time.Hour
	m := octetsOf("m1")
	f.pop.Add("leo", pop3test.Message{UID: "1", Octets: []byte("Subject: x\r\n\r\n" + strings.Repeat("x", len(m)-16) + "\r\n")})
	f.poll()
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return []pop3test.Message{{UID: "1", Octets: m}} })
	f.pollTwiceDaily(5, true)
	if len(f.left()) == 0 && len(f.arrived()) < 2 {
		t.Error("it was deleted, and had not arrived")
	}
}

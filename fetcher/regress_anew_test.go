package fetcher_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// A UID that is given to another message is told by its size, also where
// LIST was refused when the first one was forwarded.
func TestUIDGivenAnewAfterListingWithoutSizes(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Bool
			w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
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
			w.account.Policy.Keep = keep
			refused.Store(true)
			w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("m1")})
			w.poll()
			refused.Store(false)
			w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
				return []pop3test.Message{{UID: "1", Octets: letter("a longer name")}}
			})
			w.daily(3, true)
			same(t, "arrived", w.arrived(), []string{"m1", "a longer name"})
		})
	}
}

// The guard also holds if a message was removed before the move.
func TestMovedServerWithOneMessageLess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add(many(100)...)
	w.poll()
	w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	w.renumber("moved-")
	if r := w.poll(); r.Err != nil || r.Forwarded != 0 {
		t.Errorf("%+v", r)
	}
}

// A UID that was missing for a poll and is back is not believed.
func TestUIDThatWasMissingComesBackWithAnotherMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("aa")})
	w.add("m2")
	w.poll()
	w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	w.poll()
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("bb")})
	w.daily(3, true)
	same(t, "arrived", sorted(w.arrived()), []string{"aa", "bb", "m2"})
}

// The server's deletion was not heard of (QUIT's reply lost), and the UID
// is given to another message of the same size.
func TestUIDGivenAnewAfterQuitWithoutReply(t *testing.T) {
	t.Parallel()
	var once atomic.Bool
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "QUIT" && once.CompareAndSwap(false, true) {
			s.Do("QUIT", "")
			s.Reset()
			return true
		}
		return false
	}})
	w.account.Policy.Keep = false
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("aa")})
	w.poll()
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("bb")})
	w.daily(3, true)
	same(t, "arrived", sorted(w.arrived()), []string{"aa", "bb"})
	same(t, "left", w.left(), nil)
}

// UIDL that is refused once, in words that nobody knows.
func TestUIDLRefusedOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Bool
			w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb == "UIDL" && refused.Load() {
					s.Err("cannot open index")
					return true
				}
				return false
			}})
			w.add(many(n)...)
			w.poll()
			refused.Store(true)
			w.poll()
			refused.Store(false)
			w.daily(2, true)
			if len(w.arrived()) != n {
				t.Errorf("%d arrived, want %d", len(w.arrived()), n)
			}
		})
	}
}

// A message without a header that could tell it, forwarded while LIST was
// refused, and back after its deletion.
func TestHeaderlessMessageBackAfterDeletion(t *testing.T) {
	t.Parallel()
	var bad atomic.Bool
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
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
	w.account.Policy.Keep = false
	bad.Store(true)
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: []byte("Subject: only\r\n\r\nx\r\n")})
	w.poll()
	bad.Store(false)
	w.daily(3, true)
	if n := len(w.smtp.Messages()); n != 1 {
		t.Errorf("%d arrived", n)
	}
}

// A row without a fingerprint (its message once broke off) must not take a
// message whose header could not be had for its own.
func TestStaleRowOfABrokenBody(t *testing.T) {
	t.Parallel()
	var cut, noTop atomic.Bool
	cut.Store(true)
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
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
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("aa")}, pop3test.Message{UID: "1", Octets: letter("bb")})
	w.daily(1, true)
	cut.Store(false)
	w.daily(1, true)
	same(t, "arrived", sorted(w.arrived()), []string{"aa", "bb"})
	noTop.Store(true)
	w.daily(1, true)
	same(t, "arrived", sorted(w.arrived()), []string{"aa", "bb"})
}

// A message without a header that could tell it was forwarded; another one,
// with a header, has its UID and size now, and is not deleted for it.
func TestAnotherMessageUnderTheUIDOfOneWithoutHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.KeepFor = 24 * time.Hour
	m := letter("m1")
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: []byte("Subject: x\r\n\r\n" + strings.Repeat("x", len(m)-16) + "\r\n")})
	w.poll()
	w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return []pop3test.Message{{UID: "1", Octets: m}} })
	w.daily(5, true)
	if len(w.left()) == 0 && len(w.arrived()) < 2 {
		t.Error("it was deleted, and had not arrived")
	}
}

// Two messages under one UID never share a row.
func TestTwoMessagesOnOneRow(t *testing.T) {
	t.Parallel()
	var damaged atomic.Bool
	damaged.Store(true)
	w := newWorld(t, bend{smtp: greylist(1), pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "1" || !damaged.Load() {
			return false
		}
		s.Err("[SYS/PERM] cannot read it")
		return true
	}})
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("aa")}, pop3test.Message{UID: "1", Octets: letter("aa")})
	w.daily(1, true)
	damaged.Store(false)
	w.daily(2, true)
	traces := make(map[string]bool)
	for _, m := range w.smtp.Messages() {
		trace, _ := split(m)
		traces[trace] = true
	}
	forwarded := 0
	for _, r := range w.records() {
		if r.State.String() == "forwarded" {
			forwarded++
		}
	}
	if len(traces) != 2 || forwarded != 2 {
		t.Errorf("%d traces, %d rows forwarded, %v", len(traces), forwarded, w.states())
	}
	if n := len(w.verbs("RETR")); n != 4 {
		t.Errorf("fetched %d times", n)
	}
}

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

// greylist refuses the first so many messages at the dot for now.
func greylist(n int) smtptest.Options {
	return smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message <= n {
			return smtptest.Fault{Code: 451, Text: "later"}
		}
		return smtptest.Fault{}
	}}
}

// TestUIDGivenToAnotherMessage while the first one still waits for one of its
// recipients: the second goes to all of them.
func TestUIDGivenToAnotherMessage(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageRcpt && strings.HasPrefix(e.Address, "later") && refused.CompareAndSwap(false, true) {
			return smtptest.Fault{Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "later"}
		}
		return smtptest.Fault{}
	}}})
	w.account.Policy.Keep = false
	w.account.Destination.Recipients = []string{"good@example.org", "later@example.org"}
	w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("m1")})
	w.poll()
	w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
		return []pop3test.Message{{UID: "1", Octets: letter("m2")}} // as long as the first
	})
	w.daily(1, true)
	var to []string
	for _, m := range w.smtp.Messages() {
		to = append(to, fmt.Sprint(w.nameOf(m), m.Recipients))
	}
	same(t, "arrived", to, []string{"m1[good@example.org]", "m2[good@example.org later@example.org]"})
	same(t, "left", w.left(), nil)
}

// TestSecondMessageUnderOneUID is new, even if its header is that of the first.
func TestSecondMessageUnderOneUID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	for _, body := range []string{"one", "two"} {
		w.pop.Add("leo", pop3test.Message{UID: "x", Octets: []byte("From: cron@example.org\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n" + body + "\r\n")})
		w.daily(2, true)
	}
	if n := len(w.smtp.Messages()); n != 2 || len(w.verbs("RETR")) != 2 {
		t.Errorf("%d arrived, fetched %v", n, w.verbs("RETR"))
	}
}

// TestMessageThatWasNotThereForAWhile is forwarded when it is back, also if it
// is listed with another size then.
func TestMessageThatWasNotThereForAWhile(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	w := newWorld(t, bend{smtp: greylist(1), pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "TOP" && (verb != "RETR" || !gone.Load()) {
			return false
		}
		s.Err("no such message")
		return true
	}})
	w.add("m1")
	w.poll() // deferred: its header is known
	gone.Store(true)
	w.daily(1, true)
	if got := w.states()["uid-m1"]; got != "gone" {
		t.Errorf("it is %s", got)
	}
	gone.Store(false)
	w.lengthen()
	w.daily(3, true)
	same(t, "arrived", w.arrived(), []string{"m1"})
}

// lengthen has the server list the first message as longer than before.
func (w *world) lengthen() {
	w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		ms[0].Octets = append(ms[0].Octets, "x\r\n"...)
		return ms
	})
}

// TestServerThatBreaksAtTOP is asked by RETR from then on.
func TestServerThatBreaksAtTOP(t *testing.T) {
	t.Parallel()
	cut := func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" {
			s.Close()
		}
		return verb == "TOP"
	}
	t.Run("to tell messages apart", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bend{pop: cut})
		w.add("m1")
		w.poll()
		w.lengthen()
		w.add("m2", "m3")
		w.daily(5, true)
		same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3"})
	})
	t.Run("to prove what is deleted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bend{pop: cut})
		w.account.Policy.KeepFor = 24 * time.Hour
		w.add("m1")
		w.poll()
		w.add("m2")
		w.daily(10, true)
		same(t, "left", w.left(), nil)
		same(t, "arrived", w.arrived(), []string{"m1", "m2"})
	})
	t.Run("for a month, as it may have been the network", func(t *testing.T) {
		t.Parallel()
		var tops atomic.Int32
		w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
			return verb == "TOP" && tops.Add(1) == 1 && cut(s, verb, arg)
		}})
		w.add("m1")
		w.poll()
		w.lengthen()
		w.daily(3, true)
		w.lengthen()
		w.daily(3, true)
		if n := tops.Load(); n != 1 {
			t.Errorf("asked %d times at first", n)
		}
		w.now.Add(31 * 24 * time.Hour)
		w.lengthen()
		w.daily(1, true)
		if n := tops.Load(); n != 2 {
			t.Errorf("asked %d times after a month", n)
		}
		same(t, "arrived", w.arrived(), []string{"m1"})
	})
}

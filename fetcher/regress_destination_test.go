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

// in counts the messages in a state.
func (w *world) in(s ledger.State) int {
	n := 0
	for _, r := range w.records() {
		if r.State == s {
			n++
		}
	}
	return n
}

// failAt misbehaves at a stage for addresses with a prefix.
func failAt(stage forwarder.Stage, prefix string, f smtptest.Fault) bend {
	b := bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == stage && strings.HasPrefix(e.Address, prefix) {
			return f
		}
		return smtptest.Fault{}
	}}}
	b.pool.Connections = 1
	return b
}

// TestAnswersInDoubtStopThePoll: how many messages may come twice does not grow
// with the mailbox.
func TestAnswersInDoubtStopThePoll(t *testing.T) {
	t.Parallel()
	b := failAt(forwarder.StageDot, "", smtptest.Fault{Close: true, Keep: true})
	b.pool.InFlight = 1
	w := newWorld(t, b)
	w.add(many(20)...)
	for i := range 4 {
		if r := w.poll(); r.Err == nil || len(w.arrived()) != i+1 || r.Unknown > 1 {
			t.Errorf("poll %d: %+v, %d arrived", i+1, r, len(w.arrived()))
		}
		w.now.Add(12 * time.Hour)
	}
}

// TestSendersThatAreRefused hold up nobody else, however many there are.
func TestSendersThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]smtptest.Fault{
		"for now":            {Code: 450, Enhanced: forwarder.EnhancedCode{4, 1, 8}, Text: "Sender address rejected: Domain not found"},
		"in words only":      {Code: 550, Text: "Sender verify failed"},
		"for good":           {Code: 553, Enhanced: forwarder.EnhancedCode{5, 1, 8}, Text: "no such domain"},
		"by hanging up":      {Close: true},
		"by ending politely": {Code: 421, Text: "go away"},
	} {
		for _, connections := range []int{1, 4} {
			t.Run(fmt.Sprint(name, ", connections ", connections), func(t *testing.T) {
				t.Parallel()
				b := failAt(forwarder.StageMail, "sender-bad", f)
				b.pool.Connections = connections
				w := newWorld(t, b)
				w.account.Destination.Original = true
				w.add("bad1", "bad2", "bad3", "bad4")
				w.add(many(10)...)
				for range 48 { // a day
					w.pollAs(false)
					w.now.Add(30 * time.Minute)
				}
				same(t, "arrived", sorted(w.arrived()), sorted(many(10)))
			})
		}
	}
}

// TestMessagesThatBreakConnections do not keep an account from being polled.
func TestMessagesThatBreakConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, failAt(forwarder.StageMail, "sender-bad", smtptest.Fault{Close: true}))
	w.account.Destination.Original = true
	w.add("bad1", "bad2", "bad3")
	missed := 0
	for i := range 60 {
		w.add(fmt.Sprint("n", i))
		if w.pollAs(false).Skip == fetcher.BackingOff {
			missed++
		}
		w.now.Add(10 * time.Minute)
	}
	if missed > 2 || len(w.arrived()) < 59 {
		t.Errorf("%d of 60 polls were missed, %d messages arrived", missed, len(w.arrived()))
	}
}

// TestGreylistingBySender: each sender is refused once, at RCPT.
func TestGreylistingBySender(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen, from := make(map[string]bool), make(map[int]string)
	b := bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
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
	w := newWorld(t, b)
	w.account.Destination.Original = true
	w.add(many(30)...)
	for range 144 { // a day
		w.pollAs(false)
		w.now.Add(10 * time.Minute)
	}
	same(t, "arrived", sorted(w.arrived()), sorted(many(30)))
}

// TestOneRecipientTriedAgain: what it answers then is still its own affair, not
// the destination's.
func TestOneRecipientTriedAgain(t *testing.T) {
	t.Parallel()
	for state, then := range map[string]smtptest.Fault{
		"deferred": {Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "mailbox disabled"},
		"held":     {Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "no such user"},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				switch {
				case e.Stage != forwarder.StageRcpt || !strings.HasPrefix(e.Address, "later"):
					return smtptest.Fault{}
				case n.Add(1) == 1:
					return smtptest.Fault{Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "later"}
				}
				return then
			}}})
			w.account.Destination.Recipients = []string{"good@example.org", "later@example.org"}
			w.add("m1")
			w.poll()
			for range 10 {
				w.now.Add(10 * time.Minute)
				if r := w.pollAs(false); r.Err != nil || r.Skip != fetcher.NotSkipped {
					t.Errorf("%+v", r)
				}
			}
			if got := w.states()["uid-m1"]; got != state || len(w.arrived()) != 1 {
				t.Errorf("it is %s, arrived %v", got, w.arrived())
			}
		})
	}
}

// TestFullMailboxOfOneRecipient holds up no other one.
func TestFullMailboxOfOneRecipient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, failAt(forwarder.StageRcpt, "full", smtptest.Fault{Code: 452, Enhanced: forwarder.EnhancedCode{4, 2, 2}, Text: "mailbox full"}))
	w.account.Destination.Recipients = []string{"good@example.org", "full@example.org"}
	w.add(many(10)...)
	w.poll()
	same(t, "arrived", sorted(w.arrived()), sorted(many(10)))
}

// TestRecipientThatTheServerCannotTake is a fault of the configuration, not of
// the messages.
func TestRecipientThatTheServerCannotTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Destination.Recipients = []string{"jürgen@example.org"} // and no SMTPUTF8
	w.add(many(10)...)
	if r := w.poll(); r.Err == nil || w.in(ledger.Held) > 0 {
		t.Errorf("%+v, %v", r, w.states())
	}
}

package fetcher_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// oneLine keeps messages in their order to the end: on several connections, the
// destination may take a later one first.
var oneLine = smtp.Options{Connections: 1}

// TestPipelining: messages and deletions are asked for ahead, and arrive in the
// order of the mailbox, however many are under way.
func TestPipelining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{pool: oneLine})
	w.account.Policy.Keep = false
	w.add(many(100)...)
	if r := w.poll(); r.Err != nil || r.Forwarded != 100 {
		t.Errorf("%+v", r)
	}
	same(t, "arrived", w.arrived(), many(100))
	same(t, "left", w.left(), nil)
	if n := w.pop.MostWaiting(); n < 20 {
		t.Errorf("at most %d commands were waiting", n)
	}
	if n := len(w.verbs("RETR")); n != 100 {
		t.Errorf("%d RETR", n)
	}
}

// TestManyDeletions: however many, each is asked for once, and QUIT last; one
// that is refused does not hold up the others.
func TestManyDeletions(t *testing.T) {
	t.Parallel()
	const n = 700
	w := newWorld(t, bend{pool: oneLine, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "DELE" && arg == "300" {
			s.Err("not this one")
			return true
		}
		return false
	}})
	w.account.Policy.Keep = false
	w.add(many(n)...)
	if r := w.poll(); r.Err != nil || r.Forwarded != n || r.OnServer != 1 {
		t.Errorf("%+v", r)
	}
	same(t, "left", w.left(), []string{"uid-m300"})
	if asked := len(w.verbs("DELE")); asked != n {
		t.Errorf("%d DELE", asked)
	}
}

// TestPipeliningThatFails: the session is repeated without, nothing arrives
// twice, no message is to blame, and it is remembered.
func TestPipeliningThatFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode  pop3test.Pipelining
		polls int // until it is remembered
	}{{pop3test.PipeliningDiscards, 1}, {pop3test.PipeliningCloses, 2}} {
		t.Run(fmt.Sprint(tt.mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bend{pool: oneLine, pipelining: tt.mode})
			w.account.Policy.Keep = false
			w.account.Source.Timeout = impatience
			var want []string
			for n := range tt.polls {
				names := []string{fmt.Sprint("a", n), fmt.Sprint("b", n), fmt.Sprint("c", n)}
				want = append(want, names...)
				w.add(names...)
				if r := w.poll(); r.Err != nil || r.Forwarded != 3 {
					t.Errorf("%+v", r)
				}
			}
			sessions := w.pop.Sessions()
			w.add("d", "e")
			if r := w.poll(); r.Err != nil || w.pop.Sessions() != sessions+1 {
				t.Errorf("%+v, %d sessions", r, w.pop.Sessions()-sessions)
			}
			same(t, "arrived", w.arrived(), append(want, "d", "e"))
			same(t, "left", w.left(), nil)
			for _, r := range w.records() {
				if r.Attempts != 1 {
					t.Errorf("%s: %d attempts", r.UID, r.Attempts)
				}
			}
		})
	}
}

// TestCutWhilePipelining, once, is no reason never to do it again.
func TestCutWhilePipelining(t *testing.T) {
	t.Parallel()
	var cut atomic.Bool
	w := newWorld(t, bend{pool: oneLine, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "5" || cut.Swap(true) {
			return false
		}
		s.Close()
		return true
	}})
	w.account.Policy.Keep = false
	w.add(many(10)...)
	if r := w.poll(); r.Err != nil || r.Forwarded != 10 {
		t.Errorf("%+v", r)
	}
	same(t, "arrived", w.arrived(), many(10))
	same(t, "left", w.left(), nil)
	w.add("more1", "more2", "more3")
	before := w.pop.MostWaiting()
	if r := w.poll(); r.Err != nil || before < 2 {
		t.Errorf("%+v, %d waiting", r, before)
	}
	same(t, "left", w.left(), nil)
}

// TestSizesThatAreWrong while messages are asked for ahead: each arrives once
// and whole, the first time and when it is known of the server.
func TestSizesThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, off := range []int{-7, 7} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			t.Parallel()
			var w *world
			w = newWorld(t, bend{pool: oneLine, pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb != "LIST" || arg != "" {
					return false
				}
				s.OK("sizes")
				for i, m := range w.pop.Messages("leo") {
					s.Write(strconv.Itoa(i+1) + " " + strconv.Itoa(len(m.Octets)+off) + "\r\n")
				}
				s.Write(".\r\n")
				return true
			}})
			w.account.Policy.Keep = false
			w.add(many(30)...)
			if r := w.poll(); r.Err != nil || r.Forwarded != 30 {
				t.Errorf("%+v", r)
			}
			w.add("x1", "x2", "x3", "x4")
			if r := w.poll(); r.Err != nil || r.Forwarded != 4 {
				t.Errorf("%+v", r)
			}
			same(t, "arrived", w.arrived(), append(many(30), "x1", "x2", "x3", "x4"))
			same(t, "left", w.left(), nil)
		})
	}
}

// TestStopWithMessagesAsked: where nobody knows whether the server shows again
// what it gave out, the session is not ended. What was forwarded is deleted in
// another one.
func TestStopWithMessagesAsked(t *testing.T) {
	t.Parallel()
	b := bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageRcpt && e.Message == 5 {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "who?"}
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	w := newWorld(t, b)
	w.account.Policy.Keep = false
	w.add(many(20)...)
	if r := w.poll(); r.Err == nil || r.Forwarded != 4 {
		t.Errorf("%+v", r)
	}
	if len(w.left()) != 16 || len(w.states()) != 4 {
		t.Errorf("left %v, rows %v", w.left(), w.states())
	}
	if n := len(w.verbs("QUIT")); n != 1 || w.pop.Sessions() != 2 {
		t.Errorf("%d QUIT in %d sessions", n, w.pop.Sessions())
	}
	w.poll()
	same(t, "arrived", w.arrived(), many(20))
	same(t, "left", w.left(), nil)
}

// TestNothingAheadWhereRETRHides: what is asked for there is gone.
func TestNothingAheadWhereRETRHides(t *testing.T) {
	t.Parallel()
	h := &hiding{says: true}
	h.w = newWorld(t, bend{pool: oneLine, pop: h.handle})
	h.w.add(many(10)...)
	h.w.poll()
	same(t, "arrived", h.w.arrived(), many(10))
	if n := h.w.pop.MostWaiting(); n > 0 {
		t.Errorf("%d commands were waiting", n)
	}
}

// TestRefusalsWhilePipelining are about one message, also with markers between
// them.
func TestRefusalsWhilePipelining(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, bend{pool: oneLine, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "LIST" && arg == "":
			s.OK("sizes")
			for i := range w.pop.Messages("leo") {
				s.Write(strconv.Itoa(i+1) + " 1\r\n")
			}
			s.Write(".\r\n")
		case verb == "RETR" && strings.HasSuffix(arg, "3"):
			s.Err("[SYS/PERM] cannot read it")
		default:
			return false
		}
		return true
	}})
	w.add(many(30)...)
	for range 2 {
		w.now.Add(time.Hour)
		if r := w.poll(); r.Err != nil {
			t.Errorf("%+v", r)
		}
	}
	if n := len(w.arrived()); n != 27 {
		t.Errorf("%d arrived: %v", n, w.arrived())
	}
}

// TestSlowDestinationWhilePipelining: what was asked for ahead is read away once
// to keep the session alive, not each time.
func TestSlowDestinationWhilePipelining(t *testing.T) {
	t.Parallel()
	const messages = 12
	alive := make(chan struct{}, 10*messages)
	b := bend{
		pop: func(_ *pop3test.Session, verb, _ string) bool {
			if verb == "NOOP" {
				alive <- struct{}{}
			}
			return false
		},
		smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
			if e.Stage == forwarder.StageDot {
				<-alive // each message takes longer than the session may be silent
			}
			return smtptest.Fault{}
		}},
	}
	b.pool.InFlight = 1
	w := newWorld(t, b)
	w.account.Source.Timeout = impatience
	w.add(many(messages)...)
	if r := w.poll(); r.Err != nil || r.Forwarded != messages {
		t.Errorf("%+v", r)
	}
	if n := len(w.verbs("RETR")); n > 2*messages {
		t.Errorf("%d RETR for %d messages", n, messages)
	}
}

package fetcher_test

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// inOrder keeps messages in their order to the end: on several connections, the
// destination may take a later one first.
var inOrder = smtp.Options{Connections: 1}

// TestPipelinedMessagesArriveInOrder: messages and deletions are asked for ahead, and arrive in the
// order of the mailbox, however many are under way.
func TestPipelinedMessagesArriveInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pool: inOrder})
	f.account.Policy.Keep = false
	f.add(numbered(100)...)
	if r := f.poll(); r.Err != nil || r.Forwarded != 100 {
		t.Errorf("%+v", r)
	}
	same(t, "arrived", f.arrived(), numbered(100))
	same(t, "left", f.left(), nil)
	if n := f.pop.MostWaiting(); n < 20 {
		t.Errorf("at most %d commands were waiting", n)
	}
	if n := len(f.verbs("RETR")); n != 100 {
		t.Errorf("%d RETR", n)
	}
}

// TestBrokenPipeliningRepeatsTheSessionWithoutIt: the session is repeated without, nothing arrives
// twice, no message is to blame, and it is remembered.
func TestBrokenPipeliningRepeatsTheSessionWithoutIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode  pop3test.Pipelining
		polls int // until it is remembered
	}{{pop3test.PipeliningDiscards, 1}, {pop3test.PipeliningCloses, 2}} {
		t.Run(fmt.Sprint(tt.mode), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pool: inOrder, pipelining: tt.mode})
			f.account.Policy.Keep = false
			f.account.Source.Timeout = shortTimeout
			var want []string
			for n := range tt.polls {
				names := []string{fmt.Sprint("a", n), fmt.Sprint("b", n), fmt.Sprint("c", n)}
				want = append(want, names...)
				f.add(names...)
				if r := f.poll(); r.Err != nil || r.Forwarded != 3 {
					t.Errorf("%+v", r)
				}
			}
			sessions := f.pop.Sessions()
			f.add("d", "e")
			if r := f.poll(); r.Err != nil || f.pop.Sessions() != sessions+1 {
				t.Errorf("%+v, %d sessions", r, f.pop.Sessions()-sessions)
			}
			same(t, "arrived", f.arrived(), append(want, "d", "e"))
			same(t, "left", f.left(), nil)
			for _, r := range f.records() {
				if r.Attempts != 1 {
					t.Errorf("%s: %d attempts", r.UID, r.Attempts)
				}
			}
		})
	}
}

// TestBrokenPipeliningIsRememberedWhereLoginsAreRare: that it fails is remembered, also
// where the session cannot be repeated at once, for the server wants a pause
// between logins, or locks the mailbox for minutes after a session that was cut.
func TestBrokenPipeliningIsRememberedWhereLoginsAreRare(t *testing.T) {
	t.Parallel()
	for _, mode := range []pop3test.Pipelining{pop3test.PipeliningCloses, pop3test.PipeliningDiscards} {
		for _, locks := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, " locks ", locks), func(t *testing.T) {
				t.Parallel()
				var f *fixture
				var mu sync.Mutex
				var locked time.Time
				lock := func(s *pop3test.Session, verb, _ string) bool {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case verb == "QUIT":
						locked = time.Time{}
					case verb != "AUTH":
					case f.now.Now().Sub(locked) < 10*time.Minute:
						s.Err("[IN-USE] maildrop is locked")
						return true
					default:
						locked = f.now.Now()
					}
					return false
				}
				b := faults{pipelining: mode}
				if locks {
					b.pop = lock
				}
				f = newFixture(t, b)
				f.account.Source.Timeout = shortTimeout
				if !locks {
					f.account.Policy.MinInterval = time.Minute
				}
				f.add("m1")
				for range 4 {
					f.poll()
					f.now.Add(3 * time.Hour)
				}
				same(t, "arrived", f.arrived(), []string{"m1"})
			})
		}
	}
}

// TestOneCutDoesNotDisablePipelining, once, is no reason never to do it again.
func TestOneCutDoesNotDisablePipelining(t *testing.T) {
	t.Parallel()
	var cut atomic.Bool
	f := newFixture(t, faults{pool: inOrder, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "5" || cut.Swap(true) {
			return false
		}
		s.Close()
		return true
	}})
	f.account.Policy.Keep = false
	f.add(numbered(10)...)
	if r := f.poll(); r.Err != nil || r.Forwarded != 10 {
		t.Errorf("%+v", r)
	}
	same(t, "arrived", f.arrived(), numbered(10))
	same(t, "left", f.left(), nil)
	f.add("more1", "more2", "more3")
	before := f.pop.MostWaiting()
	if r := f.poll(); r.Err != nil || before < 2 {
		t.Errorf("%+v, %d waiting", r, before)
	}
	same(t, "left", f.left(), nil)
}

// TestStopWithUnsentMessagesDeletesInAnotherSession: where nobody knows whether the server shows again
// what it gave out, the session is not ended. What was forwarded is deleted in
// another one.
func TestStopWithUnsentMessagesDeletesInAnotherSession(t *testing.T) {
	t.Parallel()
	b := faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageRcpt && e.Message == 5 {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "who?"}
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	f := newFixture(t, b)
	f.account.Policy.Keep = false
	f.add(numbered(20)...)
	if r := f.poll(); r.Err == nil || r.Forwarded != 4 {
		t.Errorf("%+v", r)
	}
	if len(f.left()) != 16 || len(f.states()) != 4 {
		t.Errorf("left %v, rows %v", f.left(), f.states())
	}
	if n := len(f.verbs("QUIT")); n != 1 || f.pop.Sessions() != 2 {
		t.Errorf("%d QUIT in %d sessions", n, f.pop.Sessions())
	}
	f.poll()
	same(t, "arrived", f.arrived(), numbered(20))
	same(t, "left", f.left(), nil)
}

// TestNothingIsPipelinedWhereRETRHides: what is asked for there is gone.
func TestNothingIsPipelinedWhereRETRHides(t *testing.T) {
	t.Parallel()
	h := &hidingServer{says: true}
	h.f = newFixture(t, faults{pool: inOrder, pop: h.handle})
	h.f.add(numbered(10)...)
	h.f.poll()
	same(t, "arrived", h.f.arrived(), numbered(10))
	if n := h.f.pop.MostWaiting(); n > 0 {
		t.Errorf("%d commands were waiting", n)
	}
}

// TestWrongSizesWhilePipeliningForwardEachMessageOnce while messages are asked for ahead: each arrives once
// and whole, the first time and when it is known of the server.
func TestWrongSizesWhilePipeliningForwardEachMessageOnce(t *testing.T) {
	t.Parallel()
	for _, off := range []int{-7, 7} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			t.Parallel()
			var f *fixture
			f = newFixture(t, faults{pool: inOrder, pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb != "LIST" || arg != "" {
					return false
				}
				s.OK("sizes")
				for i, m := range f.pop.Messages("leo") {
					s.Write(strconv.Itoa(i+1) + " " + strconv.Itoa(len(m.Octets)+off) + "\r\n")
				}
				s.Write(".\r\n")
				return true
			}})
			f.account.Policy.Keep = false
			f.add(numbered(30)...)
			if r := f.poll(); r.Err != nil || r.Forwarded != 30 {
				t.Errorf("%+v", r)
			}
			f.add("x1", "x2", "x3", "x4")
			if r := f.poll(); r.Err != nil || r.Forwarded != 4 {
				t.Errorf("%+v", r)
			}
			same(t, "arrived", f.arrived(), append(numbered(30), "x1", "x2", "x3", "x4"))
			same(t, "left", f.left(), nil)
		})
	}
}

// TestRefusedSentinelsAreNotAskedForAgain where sizes are wrong: nothing can be asked for
// ahead there, and it is not tried again with each message.
func TestRefusedSentinelsAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	const messages = 60
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if arg == "" || verb != "UIDL" && verb != "LIST" {
			return false
		}
		s.Err("no arguments, please")
		return true
	}})
	for _, n := range numbered(messages) {
		f.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Size: int64(len(octetsOf(n)) - 10), Open: func() io.Reader { return bytes.NewReader(octetsOf(n)) }})
	}
	if r := f.poll(); r.Err != nil || r.Forwarded != messages {
		t.Errorf("%+v", r)
	}
	// The window once for the first wrong size, and once for the first marker.
	if n := len(f.verbs("RETR")); n > 3*messages {
		t.Errorf("%d RETR for %d messages", n, messages)
	}
}

// TestRefusedRETRWhilePipeliningIsAboutOneMessage are about one message, also with markers between
// them.
func TestRefusedRETRWhilePipeliningIsAboutOneMessage(t *testing.T) {
	t.Parallel()
	var f *fixture
	f = newFixture(t, faults{pool: inOrder, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "LIST" && arg == "":
			s.OK("sizes")
			for i := range f.pop.Messages("leo") {
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
	f.add(numbered(30)...)
	for range 2 {
		f.now.Add(time.Hour)
		if r := f.poll(); r.Err != nil {
			t.Errorf("%+v", r)
		}
	}
	if n := len(f.arrived()); n != 27 {
		t.Errorf("%d arrived: %v", n, f.arrived())
	}
}

// TestSlowDestinationDiscardsPipelinedMessagesOnce: what was asked for ahead is read away once
// to keep the session alive, not each time.
func TestSlowDestinationDiscardsPipelinedMessagesOnce(t *testing.T) {
	t.Parallel()
	const messages = 12
	alive := make(chan struct{}, 10*messages)
	b := faults{
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
	f := newFixture(t, b)
	f.account.Source.Timeout = shortTimeout
	f.add(numbered(messages)...)
	if r := f.poll(); r.Err != nil || r.Forwarded != messages {
		t.Errorf("%+v", r)
	}
	if n := len(f.verbs("RETR")); n > 2*messages {
		t.Errorf("%d RETR for %d messages", n, messages)
	}
}

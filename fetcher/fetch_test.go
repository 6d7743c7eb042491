package fetcher_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestRefusedRETRIsAboutOneMessageOrTheSession tells what is about one message from what is about all.
func TestRefusedRETRIsAboutOneMessageOrTheSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		only  string // the message that is refused, "" for all
		asked int    // how often RETR is sent
		fails bool
	}{
		"bandwidth":     {"[SYS/TEMP] Account exceeded command or bandwidth limits", "", 1, true},
		"locked":        {"[IN-USE] mailbox is locked", "", 1, true},
		"later, to all": {"try again later", "", 3, true},
		"later, to one": {"try again later", "uid-m2", 30, false},
		"one damaged":   {"[SYS/PERM] cannot read it", "uid-m2", 30, false},
		"one gone":      {"no such message", "uid-m2", 30, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb != "RETR" || c.only != "" && s.Message(arg).UID != c.only {
					return false
				}
				s.Err("%s", c.text)
				return true
			}})
			f.add(numbered(30)...)
			r := f.poll()
			if n := len(f.verbs("RETR")); n != c.asked || (r.Err != nil) != c.fails {
				t.Errorf("%d RETR: %+v", n, r)
			}
			if !c.fails && r.Forwarded != 29 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestUTF8ModeIsUsedOnceTheServerAsksForIt(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"PASS", "RETR"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			var mode atomic.Bool
			f := newFixture(t, faults{pop: func(s *pop3test.Session, v, _ string) bool {
				switch {
				case v == "CAPA":
					s.Lines("capabilities", "USER", "UIDL", "TOP", "RESP-CODES", "UTF8")
				case v == "UTF8":
					mode.Store(true)
					s.OK("UTF8 on")
				case v == verb && !mode.Load():
					s.Err("[UTF8] only in UTF8 mode")
				default:
					return false
				}
				return true
			}})
			f.add("m1")
			f.poll()
			f.poll()
			same(t, "arrived", f.arrived(), []string{"m1"})
		})
	}
}

// TestIncompleteBodyIsHeldAtTheThirdTry: what cannot be told to be whole is not
// forwarded and not deleted; the third time it is held, and the others go on.
func TestIncompleteBodyIsHeldAtTheThirdTry(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(s *pop3test.Session){
		"terminator lost":  func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad\r\n\r\nno end\r\n"); s.Close() },
		"terminator glued": func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad\r\n\r\nno end.\r\n") },
		"cut":              func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad"); s.Reset() },
		"unstuffed dot":    func(s *pop3test.Session) { s.Write("+OK\r\nSubject: bad\r\n\r\na\r\n.\r\n+OK b\r\n.\r\n") },
		"nothing at all":   func(s *pop3test.Session) { s.Write("+OK\r\n.\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				if m := s.Message(arg); verb != "RETR" || m == nil || m.UID != "bad" {
					return false
				}
				send(s)
				return true
			}})
			f.account.Policy.Keep = false
			f.account.Source.Timeout = shortTimeout
			f.add("m1")
			f.pop.Add("leo", pop3test.Message{UID: "bad", Octets: []byte("Subject: bad\r\n\r\na\r\n.\r\n+OK b\r\n" + strings.Repeat("x\r\n", 100))})
			f.add("m2")
			for i := range 4 {
				f.poll()
				if got, want := f.states()["bad"], map[bool]string{true: "deferred", false: "held"}[i < 2]; got != want {
					t.Errorf("after %d polls it is %q, want %s", i+1, got, want)
				}
			}
			same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2"})
			same(t, "left", f.left(), []string{"bad"})
		})
	}
}

// TestMessageThatEndsEverySessionIsHeldAndDelaysNoOther ends none of the others' way: it goes last,
// and is held in the end, wherever it breaks off.
func TestMessageThatEndsEverySessionIsHeldAndDelaysNoOther(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	for name, answer := range map[string]func(*pop3test.Session, *pop3test.Message){
		"before the reply":  func(s *pop3test.Session, _ *pop3test.Message) { s.Close() },
		"at the same place": func(s *pop3test.Session, _ *pop3test.Message) { s.Write("+OK\r\nSubj"); s.Close() },
		"at another place each time": func(s *pop3test.Session, _ *pop3test.Message) {
			s.Write("+OK\r\n" + strings.Repeat("x", 10*int(n.Add(1))))
			s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One of the others was refused for a while: it has as many attempts.
			f := newFixture(t, faults{pop: answerRETR("uid-bad", answer), smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				if e.Stage == forwarder.StageDot && e.Message <= 2 {
					return smtptest.Fault{Code: 451, Enhanced: forwarder.EnhancedCode{4, 7, 1}, Text: "greylisted"}
				}
				return smtptest.Fault{}
			}}})
			f.add("m1")
			f.pollTwiceDaily(2, true)
			f.add("bad", "m2", "m3")
			f.pollTwiceDaily(10, false)
			same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2", "m3"})
			if got := f.states()["uid-bad"]; got != "held" {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestIncompleteMessageHasNoSize: where a body broke off is not the size of its
// message. After the third time at the same place the message is held.
func TestIncompleteMessageHasNoSize(t *testing.T) {
	t.Parallel()
	const beginning = "Subject: bad\r\n\r\nand then "
	broken := int64(len(beginning))
	type row struct {
		State                 ledger.State
		Attempts              int
		MessageSize, BrokenAt int64
	}
	for name, last := range map[string]row{
		"three times":           {ledger.Held, 3, 0, broken},
		"twice, and then whole": {ledger.Forwarded, 3, int64(len(octetsOf("bad"))), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var whole atomic.Bool
			cut := answerRETR("uid-bad", func(s *pop3test.Session, _ *pop3test.Message) {
				s.Write("+OK\r\n" + beginning)
				s.Close()
			})
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool { return !whole.Load() && cut(s, verb, arg) }})
			f.add("bad")
			for i, want := range []row{{ledger.Deferred, 1, 0, broken}, {ledger.Deferred, 2, 0, broken}, last} {
				whole.Store(want.BrokenAt == 0)
				f.poll()
				r := f.record("uid-bad")
				if got := (row{r.State, r.Attempts, r.MessageSize, r.BrokenAt}); got != want {
					t.Errorf("after poll %d: %+v, want %+v", i+1, got, want)
				}
			}
		})
	}
}

// TestUnstuffedMessageIsNotForwarded whatever sizes the server lists, or none.
func TestUnstuffedMessageIsNotForwarded(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]string{
		"right sizes": nil, "no sizes": {}, "sizes that are too small": {"1 100", "2 100", "3 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: (&unstuffed{uid: "uid-bad", list: list}).handle})
			f.account.Policy.Keep = false
			f.pop.Add("leo", pop3test.Message{UID: "uid-bad", Octets: append(octetsOf("bad"), ".\r\nthe rest of it\r\n"...)})
			f.add("m2", "m3")
			f.pollTwiceDaily(10, false)
			same(t, "arrived", sorted(f.arrived()), []string{"m2", "m3"})
			same(t, "left", f.left(), []string{"uid-bad"})
		})
	}
}

// TestEndlessMessageIsHeld is cut off at max_message_size, and not fetched for
// ever.
func TestEndlessMessageIsHeld(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	big := answerRETR("uid-big", func(s *pop3test.Session, _ *pop3test.Message) {
		s.Write("+OK\r\n" + strings.Repeat("x", 900+3*int(fetched.Add(1))) + strings.Repeat("y\r\n", 5000) + ".\r\n")
	})
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "LIST" && arg == "" {
			s.Err("no")
			return true
		}
		return big(s, verb, arg)
	}})
	f.account.Policy.MaxSize = 1000
	f.add("big", "m2")
	f.pollTwiceDaily(8, true)
	if n := fetched.Load(); n > 4 || f.states()["uid-big"] != "held" {
		t.Errorf("fetched %d times, states %v", n, f.states())
	}
	same(t, "arrived", f.arrived(), []string{"m2"})
}

// TestEndlessDiscardedMessageIsNotReadToItsEnd was asked for ahead and is read away: that
// ends the session, which is repeated with one message at a time.
func TestEndlessDiscardedMessageIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var read atomic.Bool
	f := newFixture(t, faults{pool: inOrder, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "RETR" && arg == "1" && asked.Add(1) == 1:
			s.OK("")
			s.SendBody(strings.NewReader("Subject: not as long as listed\r\n\r\n"), -1) // so it is asked for alone
		case verb == "RETR" && arg == "2" && asked.Load() == 1:
			read.Store(flood(s))
		default:
			return false
		}
		return true
	}})
	f.account.Policy.MaxSize = 1 << 20
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3")
	if r := f.poll(); r.Err != nil || r.Forwarded != 3 {
		t.Errorf("%+v", r)
	}
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2", "m3"})
	same(t, "left", f.left(), nil)
	if read.Load() {
		t.Error("it was read to its end")
	}
}

// TestEndlessTOPDeletesNothing: TOP that goes on and on ends the session, and deletes
// nothing. The next one asks by RETR.
func TestEndlessTOPDeletesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" {
			flood(s)
		}
		return verb == "TOP"
	}})
	f.account.Policy.MaxSize = 1 << 20
	f.add("m1")
	f.poll()
	f.account.Policy.Keep = false // its header is asked for before it is deleted
	if r := f.poll(); r.Err == nil || !strings.Contains(r.Err.Error(), "goes on beyond") || len(f.left()) != 1 {
		t.Errorf("%+v, left %v", r, f.left())
	}
	if r := f.poll(); r.Err != nil || len(f.left()) != 0 {
		t.Errorf("then: %+v, left %v", r, f.left())
	}
}

// TestServerThatBreaksAtTOPIsAskedByRETR is asked by RETR from then on.
func TestServerThatBreaksAtTOPIsAskedByRETR(t *testing.T) {
	t.Parallel()
	cut := func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" {
			s.Close()
		}
		return verb == "TOP"
	}
	t.Run("to tell messages apart", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, faults{pop: cut})
		f.add("m1")
		f.poll()
		f.lengthenFirst()
		f.add("m2", "m3")
		f.pollTwiceDaily(5, true)
		same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2", "m3"})
	})
	t.Run("to prove what is deleted", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, faults{pop: cut})
		f.account.Policy.KeepFor = 24 * time.Hour
		f.add("m1")
		f.poll()
		f.add("m2")
		f.pollTwiceDaily(10, true)
		same(t, "left", f.left(), nil)
		same(t, "arrived", f.arrived(), []string{"m1", "m2"})
	})
	t.Run("for a month, as it may have been the network", func(t *testing.T) {
		t.Parallel()
		var tops atomic.Int32
		f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
			return verb == "TOP" && tops.Add(1) == 1 && cut(s, verb, arg)
		}})
		f.add("m1")
		f.poll()
		f.lengthenFirst()
		f.pollTwiceDaily(3, true)
		f.lengthenFirst()
		f.pollTwiceDaily(3, true)
		if n := tops.Load(); n != 1 {
			t.Errorf("asked %d times at first", n)
		}
		f.now.Add(31 * 24 * time.Hour)
		f.lengthenFirst()
		f.pollTwiceDaily(1, true)
		if n := tops.Load(); n != 2 {
			t.Errorf("asked %d times after a month", n)
		}
		same(t, "arrived", f.arrived(), []string{"m1"})
	})
}

package fetcher_test

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// daily polls so many times, twelve hours apart.
func (w *world) daily(polls int, asked bool) {
	for range polls {
		w.now.Add(12 * time.Hour)
		w.pollAs(asked)
	}
}

// retr answers RETR for one message.
func retr(uid string, answer func(s *pop3test.Session, m *pop3test.Message)) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, arg string) bool {
		m := s.Message(arg)
		if verb != "RETR" || m == nil || m.UID != uid {
			return false
		}
		answer(s, m)
		return true
	}
}

// TestMessageThatEndsEverySession ends none of the others' way: it goes last,
// and is held in the end, wherever it breaks off.
func TestMessageThatEndsEverySession(t *testing.T) {
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
			w := newWorld(t, bend{pop: retr("uid-bad", answer), smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				if e.Stage == forwarder.StageDot && e.Message <= 2 {
					return smtptest.Fault{Code: 451, Enhanced: forwarder.EnhancedCode{4, 7, 1}, Text: "greylisted"}
				}
				return smtptest.Fault{}
			}}})
			w.add("m1")
			w.daily(2, true)
			w.add("bad", "m2", "m3")
			w.daily(10, false)
			same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3"})
			if got := w.states()["uid-bad"]; got != "held" {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestBrokenOffMessageHasNoSize: where a body broke off is not the size of its
// message. After the third time at the same place the message is held.
func TestBrokenOffMessageHasNoSize(t *testing.T) {
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
		"twice, and then whole": {ledger.Forwarded, 3, int64(len(letter("bad"))), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var whole atomic.Bool
			cut := retr("uid-bad", func(s *pop3test.Session, _ *pop3test.Message) {
				s.Write("+OK\r\n" + beginning)
				s.Close()
			})
			w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool { return !whole.Load() && cut(s, verb, arg) }})
			w.add("bad")
			for i, want := range []row{{ledger.Deferred, 1, 0, broken}, {ledger.Deferred, 2, 0, broken}, last} {
				whole.Store(want.BrokenAt == 0)
				w.poll()
				r := w.record("uid-bad")
				if got := (row{r.State, r.Attempts, r.MessageSize, r.BrokenAt}); got != want {
					t.Errorf("after poll %d: %+v, want %+v", i+1, got, want)
				}
			}
		})
	}
}

// unstuffed sends a message as it is: a dot alone on its line ends it, and the
// rest comes only when the next command does.
type unstuffed struct {
	uid  string
	list []string // what LIST answers, if anything
	rest string
}

func (u *unstuffed) handle(s *pop3test.Session, verb, arg string) bool {
	if u.rest != "" {
		s.Write(u.rest + ".\r\n")
		u.rest = ""
	}
	m := s.Message(arg)
	switch {
	case verb == "LIST" && arg == "" && u.list != nil:
		s.Lines("", u.list...)
	case verb == "RETR" && m != nil && m.UID == u.uid:
		head, rest, _ := bytes.Cut(m.Octets, []byte("\r\n.\r\n"))
		s.Write("+OK\r\n" + string(head) + "\r\n.\r\n")
		u.rest = string(rest)
	default:
		return false
	}
	return true
}

// TestStumpIsNotForwarded whatever sizes the server lists, or none.
func TestStumpIsNotForwarded(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]string{
		"right sizes": nil, "no sizes": {}, "sizes that are too small": {"1 100", "2 100", "3 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bend{pop: (&unstuffed{uid: "uid-bad", list: list}).handle})
			w.account.Policy.Keep = false
			w.pop.Add("leo", pop3test.Message{UID: "uid-bad", Octets: append(letter("bad"), ".\r\nthe rest of it\r\n"...)})
			w.add("m2", "m3")
			w.daily(10, false)
			same(t, "arrived", sorted(w.arrived()), []string{"m2", "m3"})
			same(t, "left", w.left(), []string{"uid-bad"})
		})
	}
}

// TestMessageWithoutEnd is cut off at max_message_size, and not fetched for
// ever.
func TestMessageWithoutEnd(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	big := retr("uid-big", func(s *pop3test.Session, _ *pop3test.Message) {
		s.Write("+OK\r\n" + strings.Repeat("x", 900+3*int(fetched.Add(1))) + strings.Repeat("y\r\n", 5000) + ".\r\n")
	})
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "LIST" && arg == "" {
			s.Err("no")
			return true
		}
		return big(s, verb, arg)
	}})
	w.account.Policy.MaxSize = 1000
	w.add("big", "m2")
	w.daily(8, true)
	if n := fetched.Load(); n > 4 || w.states()["uid-big"] != "held" {
		t.Errorf("fetched %d times, states %v", n, w.states())
	}
	same(t, "arrived", w.arrived(), []string{"m2"})
}

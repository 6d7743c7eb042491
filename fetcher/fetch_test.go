package fetcher_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
)

func TestRefusedRETRIsAboutOneMessageOrTheSession(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text   string
		only   string // the message that is refused, "" for all
		asked  int    // how often RETR is sent
		counts counts
		err    error
	}{
		"bandwidth":     {"[SYS/TEMP] Account exceeded command or bandwidth limits", "", 3, counts{Deferred: 2}, errAny},
		"locked":        {"[IN-USE] mailbox is locked", "", 3, counts{Deferred: 2}, errAny},
		"SYS/TEMP, one": {"[SYS/TEMP] Internal error occurred", "uid-m2", 30, counts{Forwarded: 29, Deferred: 1}, nil},
		"later, to all": {"try again later", "", 3, counts{Deferred: 2}, errAny},
		"later, to one": {"try again later", "uid-m2", 30, counts{Forwarded: 29, Deferred: 1}, nil},
		"one damaged":   {"[SYS/PERM] cannot read it", "uid-m2", 30, counts{Forwarded: 29, Deferred: 1}, nil},
		"one gone":      {"no such message", "uid-m2", 30, counts{Forwarded: 29, Deferred: 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb != "RETR" || test.only != "" && s.Message(arg).UID != test.only {
					return false
				}
				s.Err("%s", test.text)
				return true
			}})
			f.add(numbered(30)...)
			wantResult(t, f.poll(), result{Counts: test.counts, OnServer: 30, Err: test.err})
			f.wantSent("RETR", test.asked)
		})
	}
}

func TestUTF8ModeIsUsedOnceTheServerAsksForIt(t *testing.T) {
	t.Parallel()
	for _, asks := range []string{"PASS", "RETR"} {
		t.Run(asks, func(t *testing.T) {
			t.Parallel()
			var mode atomic.Bool
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
				switch {
				case verb == "CAPA":
					s.Lines("capabilities", "USER", "UIDL", "TOP", "RESP-CODES", "UTF8")
				case verb == "UTF8":
					mode.Store(true)
					s.OK("UTF8 on")
				case verb == asks && !mode.Load():
					s.Err("[UTF8] only in UTF8 mode")
				default:
					return false
				}
				return true
			}})
			f.add("m1")
			f.poll()
			f.poll()
			f.wantArrived("m1")
		})
	}
}

// What cannot be shown to be whole is neither forwarded nor deleted, and the others
// go on.
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
			f := newFixture(t, faults{pop: answerRETR("bad", func(s *pop3test.Session, _ *pop3test.Message) { send(s) })})
			f.account.Policy.Keep = false
			f.account.Source.Timeout = shortTimeout
			f.add("m1")
			f.addUnder("bad", []byte("Subject: bad\r\n\r\na\r\n.\r\n+OK b\r\n"+strings.Repeat("x\r\n", 100)))
			f.add("m2")
			for i, want := range []string{"deferred", "deferred", "held", "held"} {
				f.poll()
				f.wantState("bad", want)
				f.add(fmt.Sprintf("n%d", i)) // a message that comes whole
			}
			f.wantArrived("m1", "m2", "n0", "n1", "n2")
			f.wantLeft("bad", "uid-n3")
		})
	}
}

// It goes last, and is held in the end, wherever it breaks off.
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
			// m1 is deferred twice at first: it has as many attempts.
			f := newFixture(t, faults{pop: answerRETR("uid-bad", answer), smtp: smtpFault(forwarder.StageDot, reply(451, 4, 7, 1), onFirst(2))})
			f.add("m1")
			f.pollEvery12Hours(2, true)
			f.add("bad", "m2", "m3")
			want := []string{"m1", "m2", "m3"}
			for i := range 10 {
				f.pollEvery12Hours(1, false)
				name := fmt.Sprintf("n%d", i)
				f.add(name) // each poll has one that comes whole
				want = append(want, name)
			}
			f.pollEvery12Hours(1, false)
			f.wantArrived(want...)
			f.wantState("uid-bad", "held")
		})
	}
}

// A bad network that lets no message through says nothing against this one.
func TestIncompleteBodyIsNotHeldIfNothingElseComesWhole(t *testing.T) {
	t.Parallel()
	var bad atomic.Bool
	bad.Store(true)
	cut := answerRETR("uid-m1", func(s *pop3test.Session, _ *pop3test.Message) { s.Write("+OK\r\nSubject: m"); s.Close() })
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool { return bad.Load() && cut(s, verb, arg) }})
	f.add("m1")
	for range 8 {
		f.pollEvery12Hours(1, false)
		f.wantState("uid-m1", "deferred")
	}
	bad.Store(false)
	f.poll()
	f.wantArrived("m1")
}

// Where a body broke off is not the size of its message. After the third time at
// the same place the message is held.
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
				f.add(fmt.Sprintf("n%d", i)) // a message that comes whole
				f.poll()
				r := f.record("uid-bad")
				if got := (row{r.State, r.Attempts, r.MessageSize, r.BrokenAt}); got != want {
					t.Errorf("after poll %d: %+v, want %+v", i+1, got, want)
				}
			}
		})
	}
}

// Whatever sizes the server lists, or none.
func TestUnstuffedMessageIsNotForwarded(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]string{
		"right sizes": nil, "no sizes": {}, "sizes that are too small": {"1 100", "2 100", "3 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: (&unstuffed{uid: "uid-bad", list: list}).handle})
			f.account.Policy.Keep = false
			f.addUnder("uid-bad", append(octetsOf("bad"), ".\r\nthe rest of it\r\n"...))
			f.add("m2", "m3")
			f.pollEvery12Hours(10, false)
			f.wantArrived("m2", "m3")
			f.wantLeft("uid-bad")
		})
	}
}

// It is cut off at max_message_size, and not fetched for ever.
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
	f.keepsMail()
	f.account.Policy.MaxSize = 1000
	f.add("big", "m2")
	f.pollEvery12Hours(8, true)
	if got := fetched.Load(); got > 4 {
		t.Errorf("it was fetched %d times, want at most 4", got)
	}
	f.wantState("uid-big", "held")
	f.wantArrived("m2")
}

// A message that was asked for ahead and is not wanted now is read and discarded.
// If it has no end, that ends the session, which is repeated with one message at a
// time.
func TestEndlessDiscardedMessageIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var read atomic.Bool
	f := newFixture(t, faults{pool: oneConnection, pop: func(s *pop3test.Session, verb, arg string) bool {
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
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}})
	f.wantArrived("m1", "m2", "m3")
	f.wantLeft()
	if read.Load() {
		t.Error("the discarded message was read to its end, want it to be given up")
	}
}

// TOP that goes on and on ends the session. The next one asks by RETR.
// TestEndlessTOPProvesNothing: a message is compared by RETR before it is deleted, in
// another session of the same poll.
func TestEndlessTOPProvesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" {
			flood(s)
		}
		return verb == "TOP"
	}})
	f.account.Policy.MaxSize = 1 << 20
	f.add("m1")
	f.poll()
	f.account.Policy.Keep = false // its header is asked for before it is deleted
	before := len(f.pop.Commands("leo"))
	wantResult(t, f.poll(), result{})
	f.wantLeft()
	var got []string
	for _, c := range f.pop.Commands("leo")[before:] {
		if verb, _, _ := strings.Cut(c, " "); verb == "TOP" || verb == "RETR" || verb == "DELE" {
			got = append(got, c)
		}
	}
	if want := []string{"TOP 1 0", "RETR 1", "DELE 1"}; !slices.Equal(got, want) {
		t.Errorf("sent: %q, want %q", got, want)
	}
}

// TestSilenceAtCAPAIsLeftOutInTheSamePoll: the mail comes at once, and from the
// third poll on the server is not asked.
func TestSilenceAtCAPAIsLeftOutInTheSamePoll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" && s.User() != "" {
			s.Hang()
			return true
		}
		return false
	}})
	f.account.Source.Timeout = shortTimeout
	for i, sessions := range []int{2, 2, 1} {
		before := f.pop.Sessions()
		f.add(fmt.Sprint("m", i))
		wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: i + 1})
		if got := f.pop.Sessions() - before; got != sessions {
			t.Errorf("poll %d: %d sessions, want %d", i+1, got, sessions)
		}
	}
	var row ledger.Account
	f.underLease(func(ctx context.Context, l fetcher.Lease) (err error) {
		row, err = l.Account(ctx)
		return err
	})
	if got := row.Server.NoCAPAAfterLogin; got.Count != 2 || !got.Last.Equal(f.now.Now()) {
		t.Errorf("noted in the ledger: %+v, want 2 polls, the last at %v", got, f.now.Now())
	}
}

// TestLoginMethodThatIsNotThere is followed by the next, and noted.
func TestLoginMethodThatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: popRefuses("unrecognized command", "AUTH")})
	for i, tries := range []int{1, 1} { // in all
		f.add(fmt.Sprint("m", i))
		wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: i + 1})
		got := 0
		for _, c := range f.pop.Log() {
			if c.Verb() == "AUTH" {
				got++
			}
		}
		if got != tries {
			t.Errorf("after poll %d: AUTH was tried %d times, want %d", i+1, got, tries)
		}
	}
}

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
		f.pollEvery12Hours(5, true)
		f.wantArrived("m1", "m2", "m3")
	})
	t.Run("to prove what is deleted", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, faults{pop: cut})
		f.account.Policy.KeepFor = 24 * time.Hour
		f.add("m1")
		f.poll()
		f.add("m2")
		f.pollEvery12Hours(10, true)
		f.wantLeft()
		f.wantArrivedInOrder("m1", "m2")
	})
	t.Run("for a month, once two polls have seen it", func(t *testing.T) {
		t.Parallel()
		var tops atomic.Int32
		f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
			return verb == "TOP" && tops.Add(1) <= 2 && cut(s, verb, arg)
		}})
		f.add("m1")
		f.poll()
		sent := func(want int32, when string) {
			t.Helper()
			f.lengthenFirst()
			f.pollEvery12Hours(3, true)
			if n := tops.Load(); n != want {
				t.Errorf("TOP was sent %d times %s, want %d", n, when, want)
			}
		}
		sent(1, "when it broke once")
		sent(2, "when it broke twice")
		sent(2, "within a month")
		f.now.Add(31 * 24 * time.Hour)
		sent(4, "after a month") // for the UIDs, and for the message
		f.wantArrived("m1")
	})
}

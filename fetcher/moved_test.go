package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
)

// edit claims the account for another mailbox, as a changed configuration does.
func (f *fixture) edit(username, host string) {
	f.t.Helper()
	_, err := f.store.Claim(f.t.Context(), []ledger.Identity{{Name: "isp", Username: username, Host: host}})
	must(f.t, err)
}

// change has the server list other messages, or the same ones in another way.
func (f *fixture) change(do func([]pop3test.Message) []pop3test.Message) { f.pop.Change("leo", do) }

// without takes messages out of the mailbox.
func (f *fixture) without(uids ...string) {
	f.change(func(ms []pop3test.Message) []pop3test.Message {
		return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(uids, m.UID) })
	})
}

// A server that is moved may show a part first, with few messages and other sizes.
// What is known is not sent again, and no message is lost.
func TestMoveInStepsSendsNothingAgain(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 30} {
		for _, resized := range []bool{false, true} {
			t.Run(fmt.Sprint(n, " messages, resized ", resized), func(t *testing.T) {
				t.Parallel()
				var lf atomic.Bool
				f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
					if verb != "LIST" || arg != "" || !lf.Load() {
						return false
					}
					var lines []string
					for i := 1; s.Message(strconv.Itoa(i)) != nil; i++ {
						lines = append(lines, fmt.Sprint(i, " ", len(strings.ReplaceAll(string(s.Message(strconv.Itoa(i)).Octets), "\r\n", "\n"))))
					}
					s.Lines("", lines...)
					return true
				}})
				f.add(numbered(n)...)
				f.poll()
				all := f.pop.Messages("leo")
				f.change(func([]pop3test.Message) []pop3test.Message { return nil })
				f.add("welcome")
				f.pollEvery12Hours(1, false)
				f.change(func(ms []pop3test.Message) []pop3test.Message { return append(ms, all...) })
				f.renumber()
				lf.Store(resized)
				f.pollEvery12Hours(2, false)
				f.add("new")
				f.pollEvery12Hours(1, false)
				f.wantArrived(append(numbered(n), "welcome", "new")...)
				f.wantAll("forwarded")
			})
		}
	}
}

// An edited account is the same mailbox or another one: the headers show it.
func TestEditedAccount(t *testing.T) {
	t.Parallel()
	t.Run("the same mailbox", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, faults{})
		f.account.Policy.OnlyNew = true
		f.add("old1", "old2")
		f.poll() // skipped
		f.add("m1", "m2", "m3")
		f.poll()
		f.edit("leo@example.net", "pop.example.org")
		f.add("new")
		wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 6})
		f.pollEvery12Hours(2, false)
		f.wantArrived("m1", "m2", "m3", "new")
	})
	t.Run("another mailbox with the same UIDs", func(t *testing.T) {
		t.Parallel()
		for _, onlyNew := range []bool{false, true} {
			f := newFixture(t, faults{})
			for i := range 3 {
				f.addUnder(fmt.Sprint("uid-", i), octetsOf(fmt.Sprint("a", i)))
			}
			f.poll()
			f.edit("eva", "pop.example.org")
			f.change(func([]pop3test.Message) []pop3test.Message { return nil })
			for i := range 3 {
				f.addUnder(fmt.Sprint("uid-", i), octetsOf(fmt.Sprint("b", i)))
			}
			f.account.Policy.OnlyNew = onlyNew
			f.pollEvery12Hours(2, false)
			if want := []string{"a0", "a1", "a2", "b0", "b1", "b2"}; onlyNew {
				f.wantArrived(want[:3]...)
			} else {
				f.wantArrived(want...)
			}
		}
	})
	t.Run("only UIDs are known of it", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, faults{})
		f.addUnder("1", octetsOf("m1"))
		f.addUnder("2", octetsOf("m2"))
		f.underLease(putImported("1", "2"))
		f.edit("leo", "pop.example.org")
		if r := f.poll(); !errors.Is(r.Err, fetcher.ErrMoved) {
			t.Errorf("error %v, want ErrMoved", r.Err)
		}
		if r := f.poll(); !errors.Is(r.Err, fetcher.ErrMoved) {
			t.Errorf("asked again: error %v, want ErrMoved", r.Err)
		}
		f.setUIDs(ledger.UIDsAdopting)
		f.pollEvery12Hours(2, false)
		f.wantArrived()
	})
}

// A message that comes back under another UID, after its owner had moved it out, or
// from a backup of the server, is known by its header.
func TestMessageThatComesBackUnderAnotherUIDIsKnown(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		f := newFixture(t, faults{})
		f.account.Policy.Keep = keep
		f.add("m1", "m2")
		f.poll()
		f.without("uid-m1")
		f.add("m3")
		f.pollEvery12Hours(1, false)
		f.addUnder("back", octetsOf("m1"))
		f.pollEvery12Hours(2, false)
		f.wantArrived("m1", "m2", "m3")
		if !keep {
			f.wantLeft() // and deleted like the others
		}
	}
}

// UIDs that are the numbers of the messages mean others after each deletion.
func TestUIDsThatAreNumbers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "UIDL" || arg != "" {
			return false
		}
		var lines []string
		for i := 1; s.Message(strconv.Itoa(i)) != nil; i++ {
			lines = append(lines, fmt.Sprint(i, " ", i))
		}
		s.Lines("", lines...)
		return true
	}})
	f.add("m1", "m2", "m3") // of one size
	f.poll()
	f.without("uid-m1")
	f.add("m4")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 3})
	wantResult(t, f.poll(), result{OnServer: 3})
	f.without("uid-m2", "uid-m3")
	f.pollEvery12Hours(2, false)
	f.wantArrived("m1", "m2", "m3", "m4")
}

// A message at which each session ends, at a server whose UIDs are numbers, and where
// headers can be had by RETR only: it does not end each session before the others are
// fetched, and has one row, which follows its number and says in the end that it is held.
func TestNumberedMessageAtWhichSessionsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "TOP":
			s.Close()
		case verb == "RETR" && m != nil && m.UID == "uid-bad one":
			s.Write("+OK\r\n.\r\nx\r\n.\r\n")
		default:
			return numbersAsUIDs(s, verb, arg)
		}
		return true
	}})
	names := numbered(4)
	f.add("m1", "m2", "bad one", "m3", "m4")
	f.pollEvery12Hours(1, false)
	for i := range 8 {
		if i < 2 {
			f.without(fmt.Sprint("uid-m", i+1)) // all others get new numbers
		}
		names = append(names, fmt.Sprint("n", i))
		f.add(names[len(names)-1])
		f.pollEvery12Hours(1, false)
		f.wantArrived(names...)
	}
	var bad []string
	for _, rec := range f.records() {
		if rec.State != ledger.Forwarded {
			bad = append(bad, rec.UID+" "+rec.State.String())
		}
	}
	if want := []string{"1 held"}; !slices.Equal(bad, want) {
		t.Errorf("rows that are not forwarded: %v, want %v", bad, want)
	}
}

// A message that gets the number of one at which a session of the same poll ended is
// not left out for it.
func TestNumberOfAMessageAtWhichTheSessionEnded(t *testing.T) {
	t.Parallel()
	var f *fixture
	ended := false
	f = newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "2" || ended {
			return numbersAsUIDs(s, verb, arg)
		}
		ended = true
		f.without("uid-m1") // by its owner, meanwhile
		s.Write("+OK\r\nFrom: a")
		s.Close()
		return true
	}})
	f.add("m1", "the second", "m3")
	f.poll()
	f.wantArrived("m1", "the second", "m3")
}

// A message at whose header a session ends does not take the row of another one of its
// size that is still listed, and at which sessions ended, too.
func TestHeaderAtWhichTheSessionEndsTakesNoRowOfAListedMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		number, _, _ := strings.Cut(arg, " ")
		m := s.Message(number)
		if m == nil || verb != "TOP" && verb != "RETR" {
			return false
		}
		switch name := nameOfOctets(m.Octets); {
		case name == "m1" || name == "m2": // each time
		case name == "m4" && verb == "TOP":
		default:
			return false
		}
		s.Write("+OK\r\nFrom: a")
		s.Close()
		return true
	}})
	f.add("m1", "m2")
	f.pollEvery12Hours(1, false)
	f.wantStates(map[string]string{"uid-m1": "deferred", "uid-m2": "deferred"})
	before := f.record("uid-m1").ID
	f.without("uid-m2")
	f.add("m3", "m4") // m3 shows that TOP works
	f.pollEvery12Hours(2, false)
	f.wantArrived("m3", "m4")
	if got := f.record("uid-m1").ID; got != before {
		t.Errorf("the message that is listed all the time has row %d, want %d as before", got, before)
	}
}

// A server that counts its messages again within a session must not be told to
// delete one that was never fetched.
func TestNumbersThatMoveWithinASession(t *testing.T) {
	t.Parallel()
	for mode, pipelining := range map[string]pop3test.Pipelining{"pipelined": pop3test.PipeliningWorks, "one by one": pop3test.PipeliningHidden} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			armed := true
			f = newFixture(t, faults{pipelining: pipelining, pop: func(s *pop3test.Session, verb, arg string) bool {
				m := s.Message(arg)
				if verb != "UIDL" || !armed || len(f.verbs("RETR")) < 3 {
					return false
				}
				// The owner has deleted m1, and "late" has come.
				if m != nil {
					s.OK("%s %s", arg, map[string]string{"1": "uid-m2", "2": "uid-m3", "3": "uid-late"}[arg])
					return true
				}
				s.Lines("", "1 uid-m2", "2 uid-m3", "3 uid-late")
				armed = false
				return true
			}})
			f.account.Policy.Keep = false
			f.add("m1", "m2", "m3")
			f.poll()
			f.wantSent("DELE", 0)
			f.wantLeft("uid-m1", "uid-m2", "uid-m3")
			f.pollEvery12Hours(2, false)
			f.wantLeft()
			f.wantArrived("m1", "m2", "m3")
		})
	}
}

// putImported writes rows of messages that another program had fetched.
func putImported(uids ...string) func(ctx context.Context, l fetcher.Lease) error {
	return func(ctx context.Context, l fetcher.Lease) error {
		var recs []*ledger.Record
		for _, uid := range uids {
			recs = append(recs, ledger.Imported(uid, "fetchmail", time.Now()))
		}
		return l.Put(ctx, recs...)
	}
}

// One header at which the session ends delays neither deletions nor other mail, also
// where the server was moved.
func TestHeaderAtWhichTheSessionEnds(t *testing.T) {
	t.Parallel()
	breaks := func(on *atomic.Bool) popHandler {
		return func(s *pop3test.Session, verb, arg string) bool {
			number, _, _ := strings.Cut(arg, " ")
			m := s.Message(number)
			if !on.Load() || m == nil || verb != "TOP" && verb != "RETR" || nameOfOctets(m.Octets) != "m5" {
				return false
			}
			s.Close()
			return true
		}
	}
	t.Run("to be deleted", func(t *testing.T) {
		t.Parallel()
		for _, gap := range []time.Duration{0, time.Minute} {
			var on atomic.Bool
			f := newFixture(t, faults{pop: breaks(&on), pipelining: pop3test.PipeliningHidden})
			f.account.Policy.MinInterval = gap
			f.add(numbered(8)...)
			f.poll()
			f.account.Policy.Keep = false
			on.Store(true)
			f.add("n1")
			f.pollEvery12Hours(3, false)
			f.wantLeft("uid-m5")
			f.wantArrived(append(numbered(8), "n1")...)
		}
	})
	t.Run("to be deleted, each time", func(t *testing.T) {
		t.Parallel()
		var on atomic.Bool
		end := breaks(&on)
		f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
			if verb == "TOP" {
				s.Err("no such command")
				return true
			}
			return end(s, verb, arg)
		}})
		f.account.Policy.MinInterval = time.Minute
		f.add(numbered(8)...)
		f.poll()
		f.account.Policy.Keep = false
		on.Store(true)
		f.now.Add(time.Hour)
		if r := f.poll(); r.Err == nil {
			t.Error("the session ended at a header for the first time without an error, want one: it may be the network")
		}
		for day := range 3 {
			f.add(fmt.Sprint("n", day))
			f.now.Add(25 * time.Hour)
			if r := f.pollBySchedule(); r.Err != nil || r.Counts.Forwarded != 1 {
				t.Errorf("the poll came to %s, want one forwarded and no error: it is known which message ends sessions", inWords(r))
			}
			f.pollEvery12Hours(1, false)
			f.wantLeft("uid-m5")
		}
	})
	t.Run("after a move", func(t *testing.T) {
		t.Parallel()
		var on atomic.Bool
		f := newFixture(t, faults{pop: breaks(&on), pipelining: pop3test.PipeliningHidden})
		f.add(numbered(20)...)
		f.poll()
		f.renumber()
		on.Store(true)
		f.add("n1")
		f.pollEvery12Hours(1, false)
		f.wantArrived(append(numbered(20), "n1")...)
		on.Store(false)
		f.pollEvery12Hours(3, false)
		f.wantArrived(append(numbered(20), "n1")...)
	})
}

// TestHistoryOfAnotherMailbox: a daemon keeps the account's number in the ledger. Once
// another configuration has its history, the UIDs there say nothing of this mailbox.
func TestHistoryOfAnotherMailbox(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Mailbox = ledger.Identity{Name: "isp", Username: "leo", Host: "pop.example.net"}
	f.add("1")
	f.poll()
	f.edit("leo", "mail.example.org")
	f.add("2")
	var reassigned *fetcher.ReassignedError
	if r := f.poll(); !errors.As(r.Err, &reassigned) || f.pop.Sessions() != 1 {
		t.Errorf("%d sessions, and the poll came to %v; want one, and a *ReassignedError", f.pop.Sessions(), r.Err)
	}
	f.edit("leo", "POP.example.net")
	if r := f.poll(); r.Err != nil || r.Forwarded != 1 {
		t.Errorf("after it was given back: %d forwarded, %v; want the new one", r.Forwarded, r.Err)
	}
}

// TestHeaderOfAReusedUIDAtWhichTheSessionEnds: the server gave the UIDs of messages that
// it has deleted to others. One ends each session in which its header is asked for, and
// does not keep the other one from being forwarded.
func TestHeaderOfAReusedUIDAtWhichTheSessionEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		number, _, _ := strings.Cut(arg, " ")
		if m := s.Message(number); verb != "TOP" && verb != "RETR" || m == nil || !bytes.Equal(m.Octets, octetsOf("broken")) {
			return false
		}
		s.Write("+OK\r\n.\r\nx\r\n.\r\n")
		return true
	}})
	f.account.Policy.Keep = false
	f.account.Policy.MinInterval = time.Minute // one session a poll
	f.addUnder("uid-1", octetsOf("m1"))
	f.addUnder("uid-2", octetsOf("m2"))
	f.poll()
	f.addUnder("uid-1", octetsOf("broken"))
	f.addUnder("uid-2", octetsOf("another one"))
	for range 4 {
		f.now.Add(time.Hour)
		f.poll()
	}
	f.wantArrived("m1", "m2", "another one")
}

// TestUIDOfAGoneMessageThatWaited: the message that has the UID of one that left before its
// next try was due is forwarded at once.
func TestUIDOfAGoneMessageThatWaited(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), onMessage(1))})
	f.keepsMail()
	f.add("m1", "m2")
	f.poll()
	f.now.Add(10 * time.Second)
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.poll()
	f.wantState("uid-m1", "gone")
	f.addUnder("uid-m1", octetsOf("m3"))
	f.now.Add(10 * time.Second)
	f.poll()
	f.wantArrived("m2", "m3")
}

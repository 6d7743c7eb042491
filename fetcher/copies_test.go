package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// busyDestination refuses every message for now until free is called.
func busyDestination() (o smtptest.Options, free func()) {
	var busy atomic.Bool
	busy.Store(true)
	return smtpFault(forwarder.StageDot, reply(451), while(&busy)), func() { busy.Store(false) }
}

// A server that hides and does not say so, as Gmail: with Source.Hides nothing is
// lost before it could have been seen to hide.
func TestKnownHidingServerLosesNothingAtTheFirstPoll(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{hides: &hiding{}, smtp: busy})
	f.account.Source.Hides = true
	f.add("m1", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Deferred: 2}, OnServer: 2})
	f.wantCopies(2)
	f.wantLeft() // else this tests nothing
	free()
	f.now.Add(time.Hour)
	f.poll()
	f.wantArrived("m1", "m2")
}

func TestHidingServerIsForwardedFromCopies(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			t.Parallel()
			busy, free := busyDestination()
			f := newFixture(t, faults{hides: &hiding{says: true}, smtp: busy})
			f.account.Policy.Keep = keep
			f.account.Destination.Original = true
			f.add("m1", "m2", "m3")
			wantResult(t, f.poll(), result{Counts: counts{Deferred: 3}, OnServer: 3})
			f.wantCopies(3)
			f.wantLeft() // else this tests nothing
			wantResult(t, f.pollBySchedule(), result{Waiting: 3})
			f.add("m4")
			free()
			f.now.Add(time.Hour)
			wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 4}})
			f.wantArrived("m1", "m2", "m3", "m4")
			f.wantCopies(0)
			for _, m := range f.smtp.Messages() {
				if want := "sender-" + nameOf(m) + "@example.org"; m.Sender != want {
					t.Errorf("envelope sender of %s: %q, want %q", nameOf(m), m.Sender, want)
				}
			}
		})
	}
}

func TestServerSeenToHideHasCopiesKept(t *testing.T) {
	t.Parallel()
	var refuses atomic.Bool
	f := newFixture(t, faults{hides: &hiding{}, smtp: smtpFault(forwarder.StageDot, reply(550), while(&refuses))})
	f.add("m1", "m2", "m3", "m4")
	f.poll()
	f.now.Add(time.Minute)
	f.add("m5")
	refuses.Store(true)
	f.poll()
	f.wantState("uid-m5", "held")
	f.wantCopies(1)
	text, err := os.ReadFile(filepath.Join(f.copyDir, f.record("uid-m5").CopyFile))
	must(t, err)
	if want := octetsOf("m5"); !bytes.Equal(text, want) {
		t.Errorf("its copy: %q, want %q", text, want)
	}
}

// Nothing is lost: before it is known what such a server does, a copy is kept of what
// could not be delivered, however few messages it is.
func TestServerThatHidesSilentlyLosesNothing(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{hides: &hiding{}, smtp: busy})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3", "m4")
	f.poll()
	f.now.Add(time.Hour)
	f.add("n1", "n2", "n3", "n4")
	f.poll()
	free()
	f.pollEvery12Hours(2, true)
	f.wantArrived("m1", "m2", "m3", "m4", "n1", "n2", "n3", "n4")
	f.wantCopies(0)
}

// The copy of a message goes when it is known that its server does not hide it, or it
// was forwarded. What is in the mailbox is fetched again, not taken from the copy.
func TestCopyOfAServerThatKeepsIsDropped(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{smtp: busy})
	f.add("m1")
	f.poll()
	f.wantCopies(1)
	f.pollEvery12Hours(3, true)
	f.wantCopies(0)
	free()
	f.pollEvery12Hours(1, true)
	f.wantArrived("m1")
	f.wantSent("RETR", 5)
}

// A server that hides messages only after they were listed once more looks at first
// like one that keeps them. That those which were forwarded vanish contradicts it.
func TestServerThatHidesLateLosesNothing(t *testing.T) {
	t.Parallel()
	var f *fixture
	given := make(map[string]int) // by which session
	f = newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), func(smtptest.Event) bool { return f.pop.Sessions() == 5 || f.pop.Sessions() == 6 }), pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "RETR" && m != nil && given[m.UID] == 0:
			given[m.UID] = s.Number
		case verb == "QUIT":
			f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
				return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return given[m.UID] > 0 && given[m.UID] < s.Number })
			})
		}
		return false
	}})
	var want []string
	for i := range 8 {
		if i < 5 {
			for j := range 3 {
				name := fmt.Sprintf("m%d%d", i, j)
				f.add(name)
				want = append(want, name)
			}
		}
		f.pollEvery12Hours(1, true)
	}
	f.wantArrived(want...)
}

// A server without CAPA that was seen to keep mail is replaced by one that gives each
// message once and says so. What that gives out for a destination that is busy is kept.
func TestServerWithoutCAPAIsReplacedByOneThatHides(t *testing.T) {
	t.Parallel()
	var f *fixture
	var replaced, busy atomic.Bool
	hides := &hiding{says: true}
	f = newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), while(&busy)), pop: func(s *pop3test.Session, verb, arg string) bool {
		if replaced.Load() {
			return hides.handle(f.pop, s, verb, arg)
		}
		if verb == "CAPA" {
			s.Err("unknown command")
		}
		return verb == "CAPA"
	}})
	for i := range 4 {
		f.add(fmt.Sprint("old", i))
		f.now.Add(time.Hour)
		f.poll()
	}
	replaced.Store(true)
	busy.Store(true)
	f.add("m1", "m2")
	f.now.Add(time.Hour)
	f.poll()
	f.wantLeft("uid-old0", "uid-old1", "uid-old2", "uid-old3") // else this tests nothing
	busy.Store(false)
	f.pollEvery12Hours(1, true)
	f.wantArrived("old0", "old1", "old2", "old3", "m1", "m2")
}

// A message of which there is a copy is sent once, though it is listed under another
// UID than before.
func TestCopyAndItsMessageUnderAnotherUIDAreSentOnce(t *testing.T) {
	t.Parallel()
	for _, says := range []bool{false, true} {
		busy, free := busyDestination()
		f := newFixture(t, faults{smtp: busy, pop: func(s *pop3test.Session, verb, arg string) bool {
			return freshUIDs(s, verb, arg) || says && saysExpire(s, verb, arg)
		}})
		f.add("m1", "m2")
		f.poll()
		f.wantCopies(2) // else this tests nothing
		free()
		f.pollEvery12Hours(2, true)
		f.wantArrived("m1", "m2")
	}
}

// Where the login fails from then on, what was kept is sent all the same.
func TestCopyOfAServerThatIsGoneIsSent(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	var closed atomic.Bool
	f := newFixture(t, faults{smtp: busy, pop: func(s *pop3test.Session, verb, _ string) bool {
		if !closed.Load() || verb != "AUTH" && verb != "PASS" {
			return false
		}
		s.Err("[AUTH] no such account")
		return true
	}})
	f.add("m1")
	f.poll()
	free()
	closed.Store(true)
	f.pollEvery12Hours(2, true)
	f.wantArrived("m1")
}

// What was given out and not sent when a poll was stopped is there the next time,
// also if a message that an unfinished session left behind made the server look as
// if it hid nothing.
func TestUnnoticedHidingLosesNothingAtAStop(t *testing.T) {
	t.Parallel()
	var f *fixture
	stopAt := 1
	f = newFixture(t, faults{hides: &hiding{bySession: true}, pool: oneInFlight, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == stopAt {
			close(f.stop)
		}
		return smtptest.Fault{}
	}}})
	for _, step := range []struct {
		stopAt int // at which message of all the program is stopped
		add    []string
	}{{1, []string{"m1", "m2"}}, {-1, nil}, {3, []string{"m3", "m4", "m5", "m6", "m7"}}, {-1, nil}} {
		f.stop, stopAt = make(chan struct{}), step.stopAt
		f.add(step.add...)
		f.poll()
		f.now.Add(time.Hour)
	}
	f.wantArrived(numbered(7)...)
}

// Without QUIT the server still has the message, and it is fetched again.
func TestCopyFailureFailsThePollAndSendsNoQUIT(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(f *fixture){
		"no folder": func(f *fixture) {
			file := filepath.Join(f.t.TempDir(), "file")
			must(f.t, os.WriteFile(file, nil, 0o600))
			f.copyDir = filepath.Join(file, "copies")
		},
		"no row": func(f *fixture) { f.lease = failAfter(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: &hiding{says: true}})
			dir := f.copyDir
			hinder(f)
			f.add("m1")
			wantResult(t, f.poll(), result{OnServer: 1, Err: errAny})
			wantResult(t, f.poll(), result{OnServer: 1, Err: errAny})
			f.wantSent("QUIT", 0)
			f.wantLeft("uid-m1")
			if n := len(f.copies()); n > 1 {
				t.Errorf("%d copies after two tries, want one at most", n)
			}
			f.copyDir, f.lease = dir, nil
			f.poll()
			f.wantArrived("m1")
			f.wantCopies(0) // that of the failed tries was this one
		})
	}
}

// The ledger has their names only.
func TestCopiesAreFoundAfterTheirFolderMoved(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string]func(t *testing.T, dir string) (before, after string){
		"moved": func(t *testing.T, dir string) (string, string) { return dir, filepath.Join(t.TempDir(), "elsewhere") },
		"relative before": func(t *testing.T, dir string) (string, string) {
			here, err := os.Getwd()
			must(t, err)
			path, err := filepath.Rel(here, dir)
			if err != nil {
				t.Skip(err) // another drive
			}
			return path, dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			busy, free := busyDestination()
			f := newFixture(t, faults{hides: &hiding{says: true}, smtp: busy})
			before, after := paths(t, f.copyDir)
			f.copyDir = before
			f.add("m1", "m2")
			f.poll()
			f.wantLeft() // else this tests nothing
			f.wantCopies(2)
			must(t, os.Rename(before, after))
			f.copyDir = after
			free()
			f.pollEvery12Hours(1, false)
			f.wantArrived("m1", "m2")
			f.wantCopies(0)
		})
	}
}

// If its server still has it.
func TestMissingCopyIsFetchedAgain(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{pop: saysExpire, smtp: busy})
	f.add("m1")
	f.poll()
	f.wantCopies(1)
	must(t, os.RemoveAll(f.copyDir))
	free()
	f.pollEvery12Hours(3, false)
	f.wantArrived("m1")
}

// A file without a row, as a crash between the two leaves it: the ledger may be an
// older one. The message is fetched again.
func TestCopyWithoutARowIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{says: true}})
	f.add("m1")
	must(t, os.MkdirAll(f.copyDir, 0o700))
	orphan := filepath.Join(f.copyDir, fmt.Sprintf("%d-orphan.eml", f.account.ID))
	must(t, os.WriteFile(orphan, []byte("x"), 0o600))
	f.poll()
	wantList(t, "retained copies", f.copies(), []string{orphan})
	f.wantArrived("m1")
}

// A copy whose row could not be written is the only one of its message where the
// server deletes at RETR. That another message gets the same UID and is forwarded says
// nothing about it.
func TestCopyWithoutARowOutlivesItsUID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		return saysExpire(s, verb, arg) || numbersAsUIDs(s, verb, arg)
	}})
	f.add("m1")
	f.lease = failAfter(0)
	f.poll()
	f.lease = nil
	f.wantCopies(1) // else this tests nothing
	f.replace("1", octetsOf("m2"))
	f.pollEvery12Hours(3, false)
	f.wantArrived("m2")
	var names []string
	for _, path := range f.copies() {
		octets, err := os.ReadFile(path)
		must(t, err)
		names = append(names, nameOfOctets(octets))
	}
	wantList(t, "retained copies", names, []string{"m1"})
}

// A message that comes under another UID than before, in a way that the first body is
// kept and asked for once more, is safe at each write that may be popferry's last:
// here, at the destination or on its server, which deletes at RETR.
func TestOneCopyReplacesAnotherWithoutAGap(t *testing.T) {
	t.Parallel()
	for n := range int64(12) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var f *fixture
			var deletes atomic.Bool
			f = newFixture(t, faults{pool: oneInFlight, smtp: smtpFault(forwarder.StageDot, reply(451), onMessage(1)), pop: func(s *pop3test.Session, verb, arg string) bool {
				m := s.Message(arg)
				switch {
				case !deletes.Load():
				case verb == "LIST" && arg == "":
					s.Lines("", fmt.Sprint("1 ", len(octetsOf("m1"))+40))
					return true
				case verb == "RETR" && m != nil:
					octets := m.Octets
					f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
					s.OK("")
					s.SendBody(bytes.NewReader(octets), -1)
					return true
				}
				return saysExpire(s, verb, arg)
			}})
			f.add("m1")
			f.poll()
			f.wantState("uid-m1", "deferred") // else this tests nothing
			must(t, os.RemoveAll(f.copyDir))
			f.withoutCopies()
			f.replace("new", octetsOf("m1"))
			deletes.Store(true)
			f.lease = failAfter(n)
			f.pollEvery12Hours(1, false)
			if len(f.left())+len(f.arrived())+len(f.copies()) == 0 {
				t.Error("the message is nowhere any more")
			}
		})
	}
}

// withoutCopies makes the ledger forget the retained copies.
func (f *fixture) withoutCopies() {
	f.t.Helper()
	for _, r := range f.records() {
		r.CopyFile = ""
		f.underLease(func(ctx context.Context, l fetcher.Lease) error { return l.Put(ctx, r) })
	}
}

// The second message is not deleted for the first.
func TestReusedUIDOfACopyForwardsBoth(t *testing.T) {
	t.Parallel()
	for second, keep := range map[string]bool{"a longer name": true, "m2": false} { // m2 is as long as m1
		t.Run(fmt.Sprint(second, ", keep ", keep), func(t *testing.T) {
			t.Parallel()
			busy, free := busyDestination()
			f := newFixture(t, faults{pop: saysExpire, smtp: busy})
			f.account.Policy.Keep = keep
			f.addUnder("1", octetsOf("m1"))
			f.poll()
			f.replace("1", octetsOf(second))
			free()
			f.pollEvery12Hours(3, true)
			f.wantArrived("m1", second)
			if keep {
				f.wantLeft("1")
			} else {
				f.wantLeft()
			}
		})
	}
}

// Its server has it no more.
func TestMailLoopFromHidingServerIsHeldWithACopy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{says: true}})
	loop := append(bytes.Repeat([]byte("Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"), 60), octetsOf("m1")...)
	f.addUnder("loop", loop)
	wantResult(t, f.poll(), result{Counts: counts{Held: 1}, OnServer: 1})
	f.wantCopies(1)
	text, err := os.ReadFile(f.copies()[0])
	must(t, err)
	if len(text) != len(loop) {
		t.Errorf("its copy has %d octets, want %d", len(text), len(loop))
	}
}

// A body that is shorter than listed does not end in QUIT, which would take the
// rest.
func TestShortBodyFromHidingServerIsFetchedAgain(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	f := newFixture(t, faults{hides: &hiding{says: true}, pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "RETR" || n.Add(1) >= 3 {
			return false
		}
		s.Write("+OK\r\n" + string(octetsOf("m1")[:60+n.Load()]) + "\r\n.\r\n") // a part
		return true
	}})
	f.add("m1")
	f.pollEvery12Hours(2, true)
	f.wantArrived("m1")
}

// A server that deletes at RETR, and is not known for it, gives a message once, though
// it is shorter than listed. What was kept of it waits for the user, also if the
// mailbox is empty from then on.
func TestPartOfTheLastMessageIsHeld(t *testing.T) {
	t.Parallel()
	given := false
	var f *fixture
	f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "LIST" && s.Message("1") != nil && m == nil:
			s.Lines("", fmt.Sprint("1 ", len(octetsOf("m1"))+40))
		case verb == "RETR" && given:
			s.Err("no such message")
		case verb == "RETR":
			given = true
			f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
			return false
		default:
			return false
		}
		return true
	}})
	f.add("m1")
	f.pollEvery12Hours(4, true)
	f.wantState("uid-m1", "held")
	f.wantCopies(1)
}

// givesOnce is a server that deletes each message at RETR, and lists it as longer than
// it is.
func givesOnce(f **fixture) popHandler {
	given := make(map[string]bool)
	return func(s *pop3test.Session, verb, arg string) bool {
		m := s.Message(arg)
		switch {
		case verb == "LIST" && m == nil && s.Message("1") != nil:
			s.Lines("", fmt.Sprint("1 ", len(s.Message("1").Octets)+40))
		case verb == "RETR" && given[string(m.Octets)]:
			s.Err("no such message")
		case verb == "RETR":
			given[string(m.Octets)] = true
			(*f).pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
			return false
		default:
			return false
		}
		return true
	}
}

// What was kept of a message is the only copy. Another message under the same UID,
// whole or not, does not take its place.
func TestPartOutlivesAnotherMessageUnderItsUID(t *testing.T) {
	t.Parallel()
	for name, listed := range map[string]bool{"which comes whole": true, "which may be cut as well": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			once, whole := givesOnce(&f), false
			f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool { return !whole && once(s, verb, arg) }})
			f.addUnder("1", octetsOf("m1"))
			f.pollEvery12Hours(1, true)
			f.wantCopies(1)
			whole = listed
			f.addUnder("1", octetsOf("m2"))
			f.pollEvery12Hours(3, true)
			if listed {
				f.wantArrived("m2")
				f.wantCopies(1)
			} else {
				f.wantCopies(2)
			}
			f.wantRowForEachCopy()
		})
	}
}

// wantRowForEachCopy: no file was forgotten.
func (f *fixture) wantRowForEachCopy() {
	f.t.Helper()
	var rows []string
	for _, r := range f.records() {
		if r.CopyFile != "" {
			rows = append(rows, filepath.Join(f.copyDir, r.CopyFile))
		}
	}
	wantList(f.t, "copies of rows", sorted(rows), sorted(f.copies()))
}

// Where a server deletes at RETR, a message is kept before it is proven to be whole:
// the session may end at the proof.
func TestMessageIsKeptBeforeItIsProvenWhole(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"shorter than listed": 10, "longer than listed": -10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			given := false
			f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				m := s.Message("1")
				switch {
				case verb == "LIST" && arg == "" && m != nil:
					s.Lines("", fmt.Sprint("1 ", len(m.Octets)+more))
				case verb == "RETR":
					given = true
					f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
					return false
				case given && verb != "RETR" && s.User() != "" && m != nil:
					s.Close()
				default:
					return saysExpire(s, verb, arg)
				}
				return true
			}})
			f.add("m1")
			f.pollEvery12Hours(3, true)
			f.wantArrived("m1")
			f.wantCopies(0)
		})
	}
}

// What was kept of a message is not sent when its message has come whole meanwhile,
// under another UID.
func TestPartIsNotSentBesideTheWhole(t *testing.T) {
	t.Parallel()
	var whole atomic.Bool
	var f *fixture
	retr := 0
	f = newFixture(t, faults{hides: &hiding{says: true}, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "LIST" && m == nil && s.Message("1") != nil:
			s.Lines("", fmt.Sprint("1 ", len(octetsOf("m1"))+40))
		case verb == "RETR" && !whole.Load():
			if retr++; retr < 2 {
				return false
			}
			s.Close()
		default:
			return false
		}
		return true
	}})
	f.account.Policy.MinInterval = time.Minute // one session a poll
	f.addUnder("old", octetsOf("m1"))
	f.poll()
	f.wantCopies(1)
	whole.Store(true)
	f.replace("new", octetsOf("m1"))
	f.pollEvery12Hours(4, true)
	f.wantArrived("m1")
	f.wantCopies(0)
}

// Copies need no session: they are sent though the mailbox is closed.
func TestCopiesAreSentWithoutALogin(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	var closed atomic.Bool
	f := newFixture(t, faults{hides: &hiding{says: true}, smtp: busy, pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "PASS" && verb != "AUTH" || !closed.Load() {
			return false
		}
		s.Err("[AUTH] account closed")
		return true
	}})
	f.add("m1", "m2", "m3")
	f.poll()
	f.wantCopies(3)
	closed.Store(true)
	if r := f.poll(); r.Err == nil {
		t.Error("no error, want that of the login")
	}
	free()
	f.now.Add(2 * time.Minute)
	r := f.pollBySchedule()
	if r.Forwarded != 3 || !r.TryAgain() {
		t.Errorf("%d forwarded, try again %v; want 3, true", r.Forwarded, r.TryAgain())
	}
	f.wantArrived("m1", "m2", "m3")
	f.wantCopies(0)
}

// fullFor is a destination that has no room for messages whose names begin so; "": it has.
func fullFor(names *atomic.Value) smtptest.Options {
	names.Store("")
	return smtpFault(forwarder.StageDot, reply(552, 5, 2, 2), func(e smtptest.Event) bool {
		name := names.Load().(string)
		return name != "" && strings.HasPrefix(nameOfOctets(e.Data), name)
	})
}

// Copies that find no room in a full inbox wait with the route, as messages do that are
// still on their server: nothing is marked, and they come soon once there is room.
func TestCopiesComeSoonOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]bool{"messages": false, "copies": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var full atomic.Value
			f := newFixture(t, faults{hides: &hiding{says: says}, smtp: fullFor(&full), pool: oneConnection})
			full.Store("m")
			f.add(numbered(3)...)
			for range 48 { // two days
				f.pollBySchedule()
				f.now.Add(time.Hour)
			}
			if r := f.pollBySchedule(); !errors.As(r.Err, new(*outcome.RouteError)) || r.Deferred != 0 || !r.TryAgain() {
				t.Errorf("the poll came to %s, want the route's fault, and nothing deferred", inWords(r))
			}
			full.Store("")
			f.now.Add(time.Hour)
			f.pollBySchedule()
			f.wantArrived(numbered(3)...)
			f.wantCopies(0)
		})
	}
}

// A copy that is too large for what room is left holds up no smaller message, be that a
// copy or in the mailbox, and waits alone then.
func TestCopyThatFindsNoRoomHoldsUpNoSmallerMessage(t *testing.T) {
	t.Parallel()
	var full atomic.Value
	f := newFixture(t, faults{hides: &hiding{says: true}, smtp: fullFor(&full), pool: oneConnection})
	full.Store("large")
	f.addUnder("large 1", dated("large1", fmt.Sprintf("X: %0500d\r\n", 1)))
	f.poll()
	f.add("m1")
	if r := f.poll(); r.Err != nil || r.Forwarded != 1 || r.Deferred != 1 {
		t.Errorf("the poll came to %s, want one forwarded, and one deferred", inWords(r))
	}
	f.wantState("large 1", "deferred")
	f.wantArrived("m1")
	full.Store("")
	f.poll()
	f.wantArrived("m1", "large1")
	f.wantCopies(0)
}

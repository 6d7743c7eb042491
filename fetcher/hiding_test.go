package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/forwarder"
)

// freshUIDs is a server that gives other UIDs in each session.
func freshUIDs(s *pop3test.Session, verb, arg string) bool {
	if verb != "UIDL" || arg != "" {
		return false
	}
	var lines []string
	for i := 1; s.Message(strconv.Itoa(i)) != nil; i++ {
		lines = append(lines, fmt.Sprintf("%d %d-%s", i, s.Number, s.Message(strconv.Itoa(i)).UID))
	}
	s.Lines("", lines...)
	return true
}

// A server with other UIDs in each session sends nothing twice, and a poll of it has
// an end, also if it says that it gives each message once.
func TestFreshUIDsInEachSession(t *testing.T) {
	t.Parallel()
	for name, expire := range map[string]bool{"keeps": false, "says EXPIRE 0": true} {
		for _, n := range []int{3, 12} {
			t.Run(fmt.Sprint(name, ", ", n, " messages"), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
					return freshUIDs(s, verb, arg) || expire && saysExpire(s, verb, arg)
				}})
				f.add(numbered(n)...)
				f.pollEvery12Hours(2, false)
				f.add("new")
				f.pollEvery12Hours(2, false)
				f.wantArrived(append(numbered(n), "new")...)
				if got := f.pop.Sessions(); got > 4*2 {
					t.Errorf("%d sessions in four polls, want at most two for each", got)
				}
			})
		}
	}
}

// A message that never comes whole is known again by its header, so that it is held
// after some tries. Else it would end each session before those behind it.
func TestBrokenMessageUnderFreshUIDsIsHeld(t *testing.T) {
	t.Parallel()
	for _, says := range []bool{false, true} {
		for _, n := range []int{3, 12} {
			t.Run(fmt.Sprint(n, " messages, says EXPIRE 0: ", says), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
					if m := s.Message(arg); verb == "RETR" && m != nil && m.UID == "uid-m1" {
						s.Write("+OK\r\n.\r\nx\r\n.\r\n")
						return true
					}
					return freshUIDs(s, verb, arg) || says && saysExpire(s, verb, arg)
				}})
				f.add(numbered(n)...)
				f.pollEvery12Hours(8, false)
				f.wantArrived(numbered(n)[1:]...)
				if got := f.inState(ledger.Held); got != 1 {
					t.Errorf("%d messages are held, want 1", got)
				}
			})
		}
	}
}

// The broken message can be told by its size only where headers can be had by RETR,
// which ends the session, or where its header was not asked for yet. It does not end
// each session before the others are fetched, and has one row.
func TestBrokenMessageUnderFreshUIDsIsKnownByItsSize(t *testing.T) {
	t.Parallel()
	for _, noTop := range []bool{false, true} {
		for _, gap := range []time.Duration{0, time.Minute} {
			for _, n := range []int{3, 12} { // so many count as moved
				t.Run(fmt.Sprint(n, " messages, no TOP: ", noTop, ", between logins: ", gap), func(t *testing.T) {
					t.Parallel()
					f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
						switch m := s.Message(arg); {
						case verb == "TOP" && noTop:
							s.Close()
						case verb == "RETR" && m != nil && m.UID == "uid-bad one":
							s.Write("+OK\r\n.\r\nx\r\n.\r\n")
						default:
							return freshUIDs(s, verb, arg)
						}
						return true
					}})
					f.account.Policy.MinInterval = gap
					names := numbered(n)
					f.add("bad one")
					f.add(names...)
					f.pollEvery12Hours(4, false) // what can be done at this server is found out
					f.wantArrived(names...)
					for i := range 6 {
						names = append(names, fmt.Sprint("n", i))
						f.add(names[len(names)-1])
						f.pollEvery12Hours(2, false)
						f.wantArrived(names...)
					}
					var bad []string
					for _, rec := range f.records() {
						if rec.State != ledger.Forwarded {
							bad = append(bad, rec.State.String())
						}
					}
					if !slices.Equal(bad, []string{"held"}) {
						t.Errorf("states of the rows that are not forwarded: %v, want held", bad)
					}
				})
			}
		}
	}
}

// A message of a server that gives it once is not fetched only to find out whether it
// is the one that is due for deletion.
func TestMessageUnderAReusedUIDOfHidingServerIsNotThrownAway(t *testing.T) {
	t.Parallel()
	for name, noTop := range map[string]bool{"TOP": false, "no TOP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			var deletes atomic.Bool
			f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				m := s.Message(arg)
				switch {
				case verb == "DELE":
					s.Err("not now")
				case verb == "TOP" && noTop:
					s.Close()
				case verb == "RETR" && m != nil && deletes.Load():
					octets := m.Octets
					f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
					s.OK("")
					s.SendBody(bytes.NewReader(octets), -1)
				default:
					return saysExpire(s, verb, arg)
				}
				return true
			}})
			f.account.Policy.Keep = false
			f.addUnder("1", octetsOf("m1"))
			f.poll()
			deletes.Store(true)
			f.replace("1", octetsOf("m2")) // of the same size
			f.pollEvery12Hours(3, false)
			if len(f.left()) == 0 {
				f.wantArrived("m1", "m2")
			}
			if !noTop && len(f.left()) > 0 {
				t.Error("m2 was never fetched")
			}
		})
	}
}

// An owner who deletes what has just come looks like a server that hides. That what two
// later sessions gave out is still listed shows that it does not.
func TestOwnerWhoDeletesIsNoHidingServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(20)...)
	f.poll()
	f.add("n1", "n2", "n3")
	f.pollEvery12Hours(1, false)
	f.without("uid-n1", "uid-n2", "uid-n3")
	f.pollEvery12Hours(1, false)
	hides := func() bool { row := f.accountRow(); return row.Server.RetrHides.Get(f.now.Now()) }
	if !hides() {
		t.Error("three of three that came last have gone: not noticed, or this tests nothing")
	}
	for _, name := range []string{"n4", "n5"} {
		f.add(name)
		f.pollEvery12Hours(2, false)
	}
	if hides() {
		t.Error("n4 and n5 are still listed, and the server counts as one that hides")
	}
	f.renumber()
	f.pollEvery12Hours(2, false)
	f.wantArrived(append(numbered(20), "n1", "n2", "n3", "n4", "n5")...)
}

// onceShort is a server that gives each message once and lists it as longer than it
// is.
func onceShort(announced bool) (popHandler, *atomic.Pointer[fixture]) {
	var f atomic.Pointer[fixture]
	given := make(map[string]bool)
	return func(s *pop3test.Session, verb, arg string) bool {
		m := s.Message(arg)
		switch {
		case announced && saysExpire(s, verb, arg):
			return true
		case verb == "LIST" && arg == "":
			var lines []string
			for i := 1; s.Message(strconv.Itoa(i)) != nil; i++ {
				lines = append(lines, fmt.Sprint(i, " ", len(s.Message(strconv.Itoa(i)).Octets)+37))
			}
			s.Lines("", lines...)
			return true
		case verb == "RETR" && m != nil && given[m.UID]:
			s.Err("no such message")
			return true
		case verb == "RETR" && m != nil:
			given[m.UID] = true
			uid := m.UID
			f.Load().change(func(ms []pop3test.Message) []pop3test.Message {
				return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return m.UID == uid })
			})
		}
		return false
	}, &f
}

// What such a server has given is all that there will be. It is sent where the server
// is known to give messages once; else it is held with its octets.
func TestMessageThatComesOnceAndShort(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprint("announced ", announced), func(t *testing.T) {
			t.Parallel()
			handler, f := onceShort(announced)
			x := newFixture(t, faults{pop: handler, pipelining: pop3test.PipeliningHidden})
			f.Store(x)
			x.add("m1", "m2")
			x.poll()
			x.add("m3") // an empty listing is not believed
			x.pollEvery12Hours(1, false)
			x.add("m4")
			x.pollEvery12Hours(1, false)
			if !announced {
				x.wantState("uid-m1", "held")
				x.underLease(retry(x, "uid-m1", "uid-m2"))
			}
			x.pollEvery12Hours(1, false)
			for _, name := range []string{"m1", "m2"} {
				if !slices.Contains(x.arrived(), name) {
					t.Errorf("%s has not arrived; states %v", name, x.states())
				}
			}
		})
	}
}

// retry is what "popferry retry" does.
func retry(f *fixture, uids ...string) func(ctx context.Context, l fetcher.Lease) error {
	return func(ctx context.Context, l fetcher.Lease) error {
		for _, uid := range uids {
			rec := f.record(uid)
			rec.Retry(f.now.Now())
			if err := l.Put(ctx, rec); err != nil {
				return err
			}
		}
		return nil
	}
}

// A message that was skipped, and is fetched once more because its owner moved it out and
// back in, can still be had: it is not known whether the server hides it now.
func TestSkippedMessageUnderAnotherUIDIsKeptWhereItMayBeHidden(t *testing.T) {
	t.Parallel()
	var f *fixture
	var hides atomic.Bool
	gives := &hiding{}
	f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		return popRefuses("unknown command", "TOP")(s, verb, arg) || hides.Load() && gives.handle(f.pop, s, verb, arg)
	}})
	f.account.Filter = filterFunc(spamFilter)
	for i := range 4 { // it is seen to keep mail
		f.add(fmt.Sprint("old", i))
		f.pollEvery12Hours(1, false)
	}
	f.add("spam")
	f.pollEvery12Hours(2, false)
	f.wantState("uid-spam", "skipped")
	f.wantCopies(0)
	f.now.Add(ledger.FactLife) // that was long ago
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		ms[len(ms)-1].UID = "back"
		return ms
	})
	hides.Store(true)
	f.pollEvery12Hours(1, false)
	if slices.Contains(f.left(), "back") {
		t.Fatal("the server hides nothing, which tests nothing")
	}
	f.underLease(retry(f, "back"))
	f.pollEvery12Hours(1, false)
	f.wantArrived("old0", "old1", "old2", "old3", "spam")
}

// A copy that cannot be read is never "gone": nobody else has the message.
func TestUnreadableCopyIsAnErrorUntilItCanBeRead(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{hides: &hiding{says: true}, smtp: busy})
	f.add("m1", "m2")
	f.poll()
	free()
	path := filepath.Join(f.copyDir, f.record("uid-m1").CopyFile)
	must(t, os.Rename(path, path+".aside"))
	f.add("m3")
	for range 3 {
		f.now.Add(12 * time.Hour)
		var unread *retained.Error
		if r := f.pollBySchedule(); !errors.As(r.Err, &unread) {
			t.Errorf("error %v, want a *retained.Error", r.Err)
		}
		f.wantState("uid-m1", "deferred")
	}
	f.wantArrived("m2", "m3")
	must(t, os.Rename(path+".aside", path))
	f.pollEvery12Hours(1, false)
	f.wantArrived("m1", "m2", "m3")
}

// Messages that UIDL leaves out are fetched if UIDL n knows them; else the poll says
// so.
func TestMessagesThatUIDLLeavesOut(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{true, false} {
		f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
			switch {
			case verb == "UIDL" && arg == "":
				s.Lines("", "1 uid-m1")
			case verb == "UIDL" && !single && arg != "1":
				s.Err("no such message")
			default:
				return false
			}
			return true
		}})
		f.account.Policy.Keep = false
		f.add("m1", "m2", "m3")
		if single {
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}})
			f.wantLeft()
			continue
		}
		r := f.poll()
		wantResult(t, r, result{Counts: counts{Forwarded: 1}, OnServer: 2, Err: errAny})
		if unlisted := (*fetcher.UnlistedError)(nil); !errors.As(r.Err, &unlisted) || unlisted.Messages != 2 {
			t.Errorf("error %v, want an *UnlistedError about two messages", r.Err)
		}
		f.wantLeft("uid-m2", "uid-m3")
	}
}

// Without UIDL, one message whose header is refused holds up no other.
func TestHeaderThatIsRefusedWithoutUIDL(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg[:min(1, len(arg))]); {
		case verb == "UIDL":
			s.Err("unknown command")
		case (verb == "TOP" || verb == "RETR") && m != nil && nameOfOctets(m.Octets) == "m2":
			s.Err("can't open message file")
		default:
			return false
		}
		return true
	}})
	f.add("m1", "m2", "m3")
	for range 2 {
		f.now.Add(12 * time.Hour)
		if r := f.pollBySchedule(); !r.TryAgain() {
			t.Errorf("m2 is not shown: %s", inWords(r))
		}
	}
	f.wantArrived("m1", "m3")
	if n := f.inState(ledger.Deferred); n != 1 {
		t.Errorf("%d messages are deferred, want 1", n)
	}
}

// Where UIDs change, messages that never came are no reason to ask the user what was
// forwarded: they were not.
func TestUnreadableMessagesUnderFreshUIDsDoNotStopTheAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if m := s.Message(arg); verb == "RETR" && m != nil && (m.UID == "uid-m1" || m.UID == "uid-m3") {
			s.Err("cannot be read")
			return true
		}
		return freshUIDs(s, verb, arg)
	}})
	f.add(numbered(12)...)
	for range 3 {
		f.now.Add(24 * time.Hour)
		if r := f.pollBySchedule(); r.Err != nil {
			t.Errorf("the poll failed: %v", r.Err)
		}
	}
	f.wantArrived("m10", "m11", "m12", "m2", "m4", "m5", "m6", "m7", "m8", "m9")
}

// A message that is left alone, and had to be fetched for that to be known, is on no
// server any more. A copy of it stays.
func TestSkippedMessageOfHidingServerIsCopied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{says: true}, pop: freshUIDs})
	f.account.Policy.OnlyNew = true
	f.add("m1", "m2")
	f.poll()
	for _, r := range f.records() { // as if the headers had been compared before it was known that it hides
		r.Fingerprint, r.MessageSize = fingerprint(octetsOf(fmt.Sprint("m", r.ID))), int64(len(octetsOf("m1")))
		f.underLease(func(ctx context.Context, l fetcher.Lease) error { return l.Put(ctx, r) })
	}
	f.pollEvery12Hours(2, true)
	f.wantArrived()
	f.wantCopies(2 - len(f.left()))
	if len(f.left()) > 0 {
		t.Error("nothing was fetched, so this tests nothing")
	}
}

// At a server that gives each message once, and whose UIDs are the numbers of the
// messages, each message that it lists is new, whatever its size, and whatever was
// kept of the one that had its number before.
func TestNumbersAsUIDsOfHidingServer(t *testing.T) {
	t.Parallel()
	for name, noTop := range map[string]bool{"TOP": false, "no TOP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{
				hides: &hiding{says: true}, smtp: smtpFault(forwarder.StageDot, reply(554, 5, 6, 0), onMessage(2)),
				pop: func(s *pop3test.Session, verb, arg string) bool {
					if verb == "TOP" && noTop {
						s.Close()
						return true
					}
					return numbersAsUIDs(s, verb, arg)
				},
			})
			f.add("m1", "m2") // of one size, as all that follow
			f.poll()
			f.wantCopies(1) // of m2, which is held
			for n := 3; n < 9; n += 2 {
				f.add(fmt.Sprint("m", n), fmt.Sprint("m", n+1))
				f.pollEvery12Hours(2, false)
			}
			f.wantArrived("m1", "m3", "m4", "m5", "m6", "m7", "m8")
			f.wantCopies(1)
		})
	}
}

// A body that was kept because it seemed too short, and was sent as it is, was whole.
// The message is not sent again when its server, which could not hide it, shows it
// under another UID.
func TestKeptBodyThatWasWholeIsNotSentTwice(t *testing.T) {
	t.Parallel()
	var retrs atomic.Int32
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message("1"); {
		case verb == "LIST" && arg == "" && m != nil:
			s.Lines("", fmt.Sprint("1 ", len(m.Octets)+100))
		case verb == "UIDL" && arg != "":
			s.OK("%s %d-%s", arg, s.Number, m.UID)
		case verb == "RETR" && retrs.Add(1) == 2:
			s.Close()
		default:
			return freshUIDs(s, verb, arg) || saysExpire(s, verb, arg)
		}
		return true
	}})
	f.account.Policy.MinInterval = time.Minute // one session a poll
	f.add("m1")
	f.pollEvery12Hours(1, false)
	f.without("uid-m1") // for a time
	f.pollEvery12Hours(1, false)
	f.wantArrived("m1") // else this tests nothing
	f.add("m1")
	f.pollEvery12Hours(2, false)
	f.wantArrived("m1")
}

// What such a server was told to leave alone stays there, also when others come and go.
func TestNumbersAsUIDsOfHidingServerAtFirstRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{says: true}, pop: numbersAsUIDs})
	f.account.Policy.OnlyNew = true
	f.add("a1", "a2", "a3") // of one size
	f.pollEvery12Hours(2, false)
	f.without("uid-a2")
	f.add("m1")
	f.pollEvery12Hours(2, false)
	f.add("m2")
	f.pollEvery12Hours(2, false)
	f.wantArrived("m1", "m2")
	f.wantLeft("uid-a1", "uid-a3")
}

// Where UIDs change, messages that are too large to be fetched are no reason to ask the
// user what was forwarded, either.
func TestTooLargeMessagesUnderFreshUIDsDoNotStopTheAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if m := s.Message(arg); verb == "RETR" && m != nil && m.UID == "uid-broken" {
			s.Write("+OK\r\n.\r\nx\r\n.\r\n") // so that no header of the others is read at the end
			return true
		}
		return freshUIDs(s, verb, arg)
	}})
	f.account.Policy.MaxSize = 2000
	for i := range 12 {
		f.addUnder(fmt.Sprint("large-", i), append(octetsOf(fmt.Sprint("large", i)), bytes.Repeat([]byte("long line\r\n"), 300)...))
	}
	f.add("broken", "m1")
	for range 6 {
		f.now.Add(24 * time.Hour)
		if r := f.pollBySchedule(); errors.Is(r.Err, fetcher.ErrRenumbered) {
			t.Errorf("the poll failed: %v", r.Err)
		}
	}
	f.wantArrived("m1")
}

// A clock that is far off for a poll takes back nothing that is known of a server.
func TestHidingIsKnownAfterTheClockWasWrong(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{}})
	f.learnsHiding()
	const off = 56 * 365 * 24 * time.Hour
	f.now.Add(off)
	f.poll()
	f.now.Add(-off)
	if !f.row().Server.RetrHides.Get(f.now.Now()) {
		t.Error("after the clock was wrong it is no longer known that the server hides what it gave")
	}
}

// A server that deletes what it gives, and does not say how large it is, shows that a
// message is too large only when nobody else has it: also in the first poll, when nothing
// is known of the server.
func TestTooLargeMessageThatComesOnce(t *testing.T) {
	t.Parallel()
	large := append(octetsOf("large"), bytes.Repeat([]byte("long line\r\n"), 300)...)
	for name, listed := range map[string]int{"no size": -1, "a fifth of its size": len(large) / 5} {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprintf("lists %s, known to hide: %v", name, known), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, faults{hides: &hiding{}, pop: func(s *pop3test.Session, verb, arg string) bool {
					switch {
					case verb != "LIST" || arg != "":
						return false
					case listed < 0:
						s.Err("no")
					default:
						listsAs(s, listed)
					}
					return true
				}})
				f.account.Policy.MaxSize = 2000
				if known {
					f.learnsHiding()
				}
				f.addUnder("uid-large", large)
				f.poll()
				all := f.smtp.Messages()
				if len(all) == 0 {
					t.Fatal("nothing arrived")
				}
				if n := bytes.Count(all[len(all)-1].Data, []byte("long line")); n != 300 {
					t.Errorf("the last message that arrived has %d of the 300 lines of the large one", n)
				}
			})
		}
	}
}

// listsAs lists each message with this size.
func listsAs(s *pop3test.Session, size int) {
	var lines []string
	for n := 1; s.Message(fmt.Sprint(n)) != nil; n++ {
		lines = append(lines, fmt.Sprint(n, " ", size))
	}
	s.Lines("", lines...)
}

// learnsHiding has popferry see that the server hides what it gave.
func (f *fixture) learnsHiding() {
	f.t.Helper()
	for _, names := range [][]string{numbered(4), {"m5", "m6", "m7", "m8"}, nil} {
		f.add(names...)
		f.poll()
		f.now.Add(time.Hour)
	}
	if !f.row().Server.RetrHides.Get(f.now.Now()) {
		f.t.Fatal("it is not known that the server hides what it gave")
	}
}

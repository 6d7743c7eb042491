package fetcher_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func TestDELEComesAfterAllRETRAndBeforeQUIT(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}})
	f.wantLeft()
	for _, r := range f.records() {
		if r.DeletedAt.IsZero() {
			t.Errorf("%s is not recorded as deleted, want it to be", r.UID)
		}
	}
	wantList(t, "commands", f.verbs("RETR", "DELE", "QUIT"), []string{"RETR", "RETR", "RETR", "DELE", "DELE", "DELE", "QUIT"})
}

// Dovecot gives only the beginning of a message, each time, if its Maildir file has
// another size than its name says.
func TestMessageThatMayHaveBeenCutStaysOnItsServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: cutsEach("2")})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}, OnServer: 1})
	f.wantLeft("uid-m2")
	wantResult(t, f.poll(), result{OnServer: 1}) // nor does a later poll delete it
	f.wantLeft("uid-m2")
	f.wantArrived("m1", "m2", "m3")
}

func TestServerThatListsWrongSizesOnlyIsDeletedFrom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: cutsEach("1", "2")})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2}})
	f.wantLeft()
}

// cutsEach gives messages with these numbers without their last line.
func cutsEach(numbers ...string) popHandler {
	return func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || !slices.Contains(numbers, arg) {
			return false
		}
		whole := bytes.TrimSuffix(octetsOf("m"+arg), []byte("\r\n"))
		s.Write("+OK\r\n" + string(whole[:bytes.LastIndexByte(whole, '\n')+1]) + ".\r\n")
		return true
	}
}

func TestKeepForDeletesAfterItsTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = 14 * 24 * time.Hour
	f.add("m1")
	f.poll()
	f.now.Add(13 * 24 * time.Hour)
	f.add("m2")
	f.poll()
	f.wantLeft("uid-m1", "uid-m2")
	f.now.Add(24 * time.Hour)
	wantResult(t, f.poll(), result{OnServer: 1})
	f.wantLeft("uid-m2")
	f.wantArrivedInOrder("m1", "m2")
}

func TestClockThatJumpsBackDeletesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.KeepFor = time.Hour
	f.add("m1")
	f.poll()
	f.now.Add(100 * time.Hour)
	f.account.Policy.KeepFor = 0 // so that this poll deletes nothing
	f.poll()
	f.now.Add(-50 * time.Hour)
	f.account.Policy.KeepFor = time.Hour
	f.poll()
	f.wantLeft("uid-m1")
}

func TestEachDELEIsSentOnceAndARefusalHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	const n = 700 // more than are sent ahead
	f := newFixture(t, faults{pool: oneConnection, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "DELE" && arg == "300" {
			s.Err("not this one")
			return true
		}
		return false
	}})
	f.account.Policy.Keep = false
	f.add(numbered(n)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: n}, OnServer: 1})
	f.wantLeft("uid-m300")
	f.wantSent("DELE", n)
}

func TestServerThatIgnoresDELEIsNoticedAfterThreePolls(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" {
			s.OK("gone, or so")
		}
		return verb == "DELE"
	}})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	for i := range 5 {
		r := f.poll()
		if got, want := errors.Is(r.Notice, fetcher.ErrDeleIgnored), i > 2; r.Err != nil || got != want {
			t.Errorf("poll %d: error %v, notice %v; want no error, ErrDeleIgnored: %v", i+1, r.Err, r.Notice, want)
		}
	}
	f.wantArrived("m1", "m2")
	f.wantSent("DELE", 6) // three for each message
}

// The server is slow to confirm them. Without QUIT none of them is real.
func TestStopBetweenDeletionsRecordsNone(t *testing.T) {
	t.Parallel()
	var f *fixture
	var n atomic.Int32
	f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" && n.Add(1) == 3 {
			close(f.stop)
			s.Hang() // until the grace after a stop is over
			return true
		}
		return false
	}})
	f.account.Policy.Keep = false
	f.add(numbered(6)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 6}, OnServer: 6, Err: errAny})
	for _, rec := range f.records() {
		if !rec.DeletedAt.IsZero() {
			t.Errorf("%s is recorded as deleted at %v, want it not to be", rec.UID, rec.DeletedAt)
		}
	}
	if got := len(f.left()); got != 6 {
		t.Errorf("left on the server: %v, want all 6", f.left())
	}
	f.stop = make(chan struct{})
	wantResult(t, f.poll(), result{})
	f.wantLeft()
}

// Deletions that a broken session could not make are made in the one that goes on
// with the rest, and no further login is needed.
func TestPendingDeletionsAreMadeOnce(t *testing.T) {
	t.Parallel()
	broke := false
	f := newFixture(t, faults{pool: oneInFlight, pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "3" || broke {
			return false
		}
		broke = true
		s.Close()
		return true
	}})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}})
	f.wantLeft()
	if n := f.pop.Sessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// Without TOP a message is retrieved to see whether it is the one that is due for
// deletion. If it is another one, that must not be lost where QUIT makes what was
// retrieved vanish.
func TestReusedUIDAtHidingServerWithoutTOPLosesNothing(t *testing.T) {
	t.Parallel()
	for _, says := range []bool{true, false} {
		t.Run(fmt.Sprintf("says so: %v", says), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: &hiding{says: says, bySession: true}, pop: func(s *pop3test.Session, verb, _ string) bool {
				if verb == "TOP" {
					s.Err("unknown command")
				}
				return verb == "TOP"
			}})
			f.add("m1")
			f.poll() // m1 is forwarded, and vanishes
			f.account.Policy.Keep = false
			f.replace("uid-m1", octetsOf("n1"))
			f.poll()
			f.poll()
			f.wantArrived("m1", "n1")
		})
	}
}

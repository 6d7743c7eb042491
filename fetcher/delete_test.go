package fetcher_test

import (
	"errors"
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
	if r := f.poll(); r.Err != nil || r.Forwarded != 3 || r.OnServer != 0 {
		t.Fatalf("%+v", r)
	}
	same(t, "left", f.left(), nil)
	for _, r := range f.records() {
		if r.DeletedAt.IsZero() {
			t.Errorf("%s is not noted as deleted", r.UID)
		}
	}
	// All RETR come before the first DELE, and QUIT is last.
	verbs := f.verbs("RETR", "DELE", "QUIT")
	same(t, "commands", verbs, []string{"RETR", "RETR", "RETR", "DELE", "DELE", "DELE", "QUIT"})
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
	same(t, "left after 13 days", f.left(), []string{"uid-m1", "uid-m2"})
	f.now.Add(24 * time.Hour)
	if r := f.poll(); r.Err != nil || r.OnServer != 1 {
		t.Fatalf("%+v", r)
	}
	same(t, "left after 14 days", f.left(), []string{"uid-m2"})
	same(t, "arrived", f.arrived(), []string{"m1", "m2"})
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
	same(t, "left", f.left(), []string{"uid-m1"})
}

// TestEachDELEIsSentOnceAndARefusalHoldsUpNoOther: however many, each is asked for once, and QUIT last; one
// that is refused does not hold up the others.
func TestEachDELEIsSentOnceAndARefusalHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	const n = 700
	f := newFixture(t, faults{pool: inOrder, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "DELE" && arg == "300" {
			s.Err("not this one")
			return true
		}
		return false
	}})
	f.account.Policy.Keep = false
	f.add(numbered(n)...)
	if r := f.poll(); r.Err != nil || r.Forwarded != n || r.OnServer != 1 {
		t.Errorf("%+v", r)
	}
	same(t, "left", f.left(), []string{"uid-m300"})
	if asked := len(f.verbs("DELE")); asked != n {
		t.Errorf("%d DELE", asked)
	}
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
		if r.Err != nil || errors.Is(r.Notice, fetcher.ErrDeleIgnored) != (i > 2) {
			t.Errorf("poll %d: %+v", i+1, r)
		}
	}
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2"})
	if got := len(f.verbs("DELE")); got != 6 {
		t.Errorf("%d DELEs, want three for each message", got)
	}
}

// TestStopBetweenDeletionsRecordsNone that the server is slow to confirm: without QUIT
// none of them is real, and the ledger notes none.
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
	r := f.poll()
	for _, rec := range f.records() {
		if !rec.DeletedAt.IsZero() {
			t.Errorf("%s counts as deleted", rec.UID)
		}
	}
	if len(f.left()) != 6 || r.Err == nil {
		t.Errorf("left %v, %+v", f.left(), r)
	}
	f.stop = make(chan struct{})
	if r := f.poll(); r.Err != nil || r.Forwarded != 0 || len(f.left()) != 0 {
		t.Errorf("%+v, left %v", r, f.left())
	}
}

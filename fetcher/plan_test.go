package fetcher_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func TestFirstRunNewSkipsMessagesThatAreThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.OnlyNew = true
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	if r := f.poll(); r.Err != nil || r.Skipped != 2 || r.TryAgain() {
		t.Fatalf("%+v", r)
	}
	f.add("m3")
	f.poll()
	same(t, "arrived", f.arrived(), []string{"m3"})
	same(t, "left", f.left(), []string{"uid-m1", "uid-m2"})
}

func TestMessageOverMaxSizeIsSkippedAndStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 1000
	f.account.Policy.Keep = false
	f.add("m1")
	f.pop.Add("leo", pop3test.Message{UID: "big", Octets: bytes.Repeat([]byte("too much\r\n"), 500)})
	f.add("m2")
	for range 2 {
		f.poll()
	}
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2"})
	same(t, "left", f.left(), []string{"big"})
	if f.states()["big"] != "skipped" {
		t.Errorf("%v", f.states())
	}
}

func TestRaisedMaxSizeForwardsSkippedMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 100
	f.add("m1")
	f.poll()
	f.account.Policy.MaxSize = 1000
	if r := f.poll(); r.Forwarded != 1 {
		t.Errorf("%+v, %v", r, f.states())
	}
}

func TestServerWithoutUIDLIsListedByHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused []string
		keep    bool
		works   bool
	}{
		"kept, by TOP":     {[]string{"UIDL"}, true, true},
		"deleted, by TOP":  {[]string{"UIDL"}, false, true},
		"deleted, by RETR": {[]string{"UIDL", "TOP"}, false, true},
		"kept, no TOP":     {[]string{"UIDL", "TOP"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: refuse("unknown command", c.refused...)})
			f.account.Policy.Keep = c.keep
			f.add("m1", "m2")
			f.pop.Add("leo", pop3test.Message{UID: "none", Octets: []byte("\r\nno header at all\r\n")})
			r := f.poll()
			if !c.works {
				if !errors.Is(r.Err, pop3.ErrNoUIDL) || len(f.arrived()) != 0 {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.Err != nil || r.Forwarded != 3 {
				t.Fatalf("%+v", r)
			}
			f.add("m3")
			if r := f.poll(); r.Err != nil || r.Forwarded != 1 {
				t.Errorf("%+v", r)
			}
			if want := map[bool]int{true: 4, false: 0}[c.keep]; len(f.left()) != want {
				t.Errorf("left: %v", f.left())
			}
		})
	}
}

// UIDL that is refused once, in words that nobody knows.
func TestUIDLRefusedOnceDuplicatesNothing(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Bool
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb == "UIDL" && refused.Load() {
					s.Err("cannot open index")
					return true
				}
				return false
			}})
			f.add(numbered(n)...)
			f.poll()
			refused.Store(true)
			f.poll()
			refused.Store(false)
			f.pollTwiceDaily(2, true)
			if len(f.arrived()) != n {
				t.Errorf("%d arrived, want %d", len(f.arrived()), n)
			}
		})
	}
}

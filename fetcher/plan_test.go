package fetcher_test

import (
	"bytes"
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
	wantResult(t, f.poll(), result{Counts: counts{Skipped: 2}, OnServer: 2})
	f.add("m3")
	f.poll()
	f.wantArrived("m3")
	f.wantLeft("uid-m1", "uid-m2")
}

func TestMessageOverMaxSizeIsSkippedAndStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 1000
	f.account.Policy.Keep = false
	f.add("m1")
	f.addUnder("big", append([]byte("From: ada@example.org\r\nSubject: The film\r\nMessage-ID: <film@example.org>\r\n\r\n"), bytes.Repeat([]byte("too much\r\n"), 500)...))
	f.add("m2")
	for range 2 {
		f.poll()
	}
	f.wantArrived("m1", "m2")
	f.wantLeft("big")
	f.wantState("big", "skipped")
	if got := f.record("big").Excerpt; got.From != "ada@example.org" || got.Subject != "The film" {
		t.Errorf("the user is shown %+v, want sender and subject", got)
	}
}

func TestRaisedMaxSizeForwardsSkippedMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 100
	f.add("m1")
	f.poll()
	f.wantState("uid-m1", "skipped")
	f.account.Policy.MaxSize = 1000
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}

func TestServerWithoutUIDLIsListedByHeaders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
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
			f := newFixture(t, faults{pop: popRefuses("unknown command", test.refused...)})
			f.account.Policy.Keep = test.keep
			f.add("m1", "m2")
			f.addUnder("none", []byte("\r\nno header at all\r\n"))
			if !test.works {
				wantResult(t, f.poll(), result{OnServer: -1, Err: pop3.ErrNoUIDL})
				f.wantArrived()
				return
			}
			left := map[bool]int{true: 3, false: 0}[test.keep]
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}, OnServer: left})
			f.add("m3")
			if test.keep {
				left++
			}
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: left})
			if got := len(f.left()); got != left {
				t.Errorf("left on the server: %v, want %d", f.left(), left)
			}
		})
	}
}

// Its words are not among those that are known, so it could be a server without UIDL.
func TestUIDLRefusedOnceDuplicatesNothing(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Bool
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
				if verb == "UIDL" && refused.Load() {
					s.Err("cannot open index")
					return true
				}
				return false
			}})
			f.add(numbered(n)...)
			f.poll()
			refused.Store(true)
			wantResult(t, f.poll(), result{OnServer: -1, Err: pop3.ErrNoUIDL})
			refused.Store(false)
			f.pollEvery12Hours(2, true)
			f.wantArrived(numbered(n)...)
		})
	}
}

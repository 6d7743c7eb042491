package fetcher_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// standby keeps the ledger as it is now. The function that it returns has it become the
// ledger, in another timeline: all since is lost.
func (f *fixture) standby() (takeOver func()) {
	f.t.Helper()
	reopen := func(path string) {
		f.t.Helper()
		var err error
		f.store, err = sqlite.Open(f.t.Context(), path, sqlite.Options{Create: true, Now: f.now.Now})
		must(f.t, err)
		f.ledgerPath = path
	}
	must(f.t, f.store.Close())
	octets, err := os.ReadFile(f.ledgerPath)
	must(f.t, err)
	kept := filepath.Join(f.t.TempDir(), "standby.db")
	must(f.t, os.WriteFile(kept, octets, 0o600))
	reopen(f.ledgerPath)
	return func() {
		f.t.Helper()
		must(f.t, f.store.Close())
		reopen(kept)
		f.lease = func(l fetcher.Lease) fetcher.Lease { return historic{l, "system/2"} }
	}
}

// The UID of a message that was deleted was given to another one, which was forwarded
// just before the failover. It is asked for as well, before it is sent.
func TestFailoverAsksForMessagesUnderReusedUIDs(t *testing.T) {
	t.Parallel()
	var stays atomic.Bool
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" && stays.Load() {
			s.Err("not now")
			return true
		}
		return false
	}})
	f.account.Policy.Keep = false
	s := f.deliverByIMAP("INBOX", imaptest.Options{})
	f.addUnder("1", octetsOf("m1"))
	f.poll()
	takeOver := f.standby()
	stays.Store(true)
	f.addUnder("1", octetsOf("m2"))
	f.poll()
	f.wantInbox(s, "m1", "m2")
	takeOver()
	f.poll()
	f.wantInbox(s, "m1", "m2")
}

// The same with generations as they were.
func TestFailoverOfAReusedUIDInTheSameGeneration(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	s := f.deliverByIMAP("INBOX", imaptest.Options{})
	f.addUnder("1", octetsOf("m1"))
	f.addUnder("2", octetsOf("m0"))
	f.poll()
	f.without("1")
	f.poll()
	takeOver := f.standby()
	f.addUnder("1", octetsOf("m2"))
	f.poll()
	f.wantInbox(s, "m0", "m1", "m2")
	takeOver()
	f.poll()
	f.wantInbox(s, "m0", "m1", "m2")
}

// A copy at which the filter had failed was sent just before the failover.
func TestFailoverOfACopyThatWasNotFiltered(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"known to hide": true, "not known": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fails atomic.Bool
			fails.Store(true)
			f := newFixture(t, faults{hides: &hiding{}})
			f.account.Source.Hides = known
			f.account.Filter = filterFunc(func(context.Context, string) (v fetcher.Verdict, err error) {
				if fails.Load() {
					return v, errTest
				}
				return v, nil
			})
			s := f.deliverByIMAP("INBOX", imaptest.Options{})
			f.add("m1")
			f.poll()
			f.wantInbox(s)
			takeOver := f.standby()
			fails.Store(false)
			f.now.Add(time.Hour)
			f.poll()
			f.now.Add(time.Hour)
			f.poll()
			f.wantInbox(s, "m1")
			takeOver()
			f.now.Add(time.Hour)
			f.poll()
			f.now.Add(time.Hour)
			f.poll()
			f.wantInbox(s, "m1")
		})
	}
}

// The filter is asked about a copy that it has not seen, also after a failover.
func TestFilterSeesACopyAfterAFailover(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	fails.Store(true)
	f := newFixture(t, faults{hides: &hiding{}})
	f.account.Source.Hides = true
	f.account.Filter = filterFunc(func(ctx context.Context, name string) (v fetcher.Verdict, err error) {
		if fails.Load() {
			return v, errTest
		}
		return spamFilter(ctx, name)
	})
	s := f.deliverByIMAP("INBOX", imaptest.Options{})
	f.add("spam1")
	f.poll()
	takeOver := f.standby()
	takeOver()
	fails.Store(false)
	for range 4 {
		f.now.Add(time.Hour)
		t.Log(inWords(f.poll()), f.states())
	}
	f.wantInbox(s)
}

// A filter was added after the message was sent.
func TestFailoverAfterAFilterIsSwitchedOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	s := f.deliverByIMAP("INBOX", imaptest.Options{})
	takeOver := f.standby()
	f.add("m1")
	f.poll()
	f.wantInbox(s, "m1")
	takeOver()
	f.account.Filter = filterFunc(keepAll)
	f.poll()
	f.wantInbox(s, "m1")
}

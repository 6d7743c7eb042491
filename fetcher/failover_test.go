package fetcher_test

import (
	"bytes"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/multidrop"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// historic is a lease of a ledger that has this timeline.
type historic struct {
	fetcher.Lease
	timeline string
}

func (d historic) Timelines() (made, now string) { return "system/1", d.timeline }

// failover has the ledger lose all that it knew. If told, it has another timeline then.
func (f *fixture) failover(told bool) {
	f.t.Helper()
	must(f.t, f.store.Close())
	var err error
	f.store, err = sqlite.Open(f.t.Context(), filepath.Join(f.t.TempDir(), "standby.db"), sqlite.Options{Create: true, Now: f.now.Now})
	must(f.t, err)
	f.account.ID = f.newAccount().ID
	if told {
		f.lease = func(l fetcher.Lease) fetcher.Lease { return historic{l, "system/2"} }
	}
}

// TestFailoverAsksTheInbox: after a failover that lost what the ledger knew, an inbox
// that can be asked gets nothing twice, and what is new comes.
func TestFailoverAsksTheInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		told bool
		want int
	}{"noticed": {true, 4}, "not noticed": {false, 7}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			inbox := f.deliverByIMAP("INBOX", imaptest.Options{})
			f.add(numbered(3)...)
			f.poll()
			f.failover(tt.told)
			f.add("new")
			if r := f.poll(); r.Err != nil || r.Forwarded != 4 || r.Repeated != 0 {
				t.Errorf("got %+v, want 4 forwarded, and nothing that may be there twice", r)
			}
			if got := len(inbox.Messages("INBOX")); got != tt.want {
				t.Errorf("the inbox has %d messages, want %d", got, tt.want)
			}
			f.wantStates(map[string]string{"uid-m1": "forwarded", "uid-m2": "forwarded", "uid-m3": "forwarded", "uid-new": "forwarded"})
		})
	}
}

// TestFailoverWhileTheInboxCannotBeAsked: nothing is sent until it can be, and then no
// longer asked for.
func TestFailoverWhileTheInboxCannotBeAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	var broken atomic.Bool
	var asked atomic.Int64
	inbox := f.deliverByIMAP("INBOX", imaptest.Options{Fault: func(e imaptest.Event) (fault imaptest.Fault) {
		if e.Command == "EXAMINE" {
			asked.Add(1)
			if broken.Load() {
				fault.Reply = "NO [UNAVAILABLE] not now"
			}
		}
		return fault
	}})
	f.add(numbered(2)...)
	f.poll()
	f.failover(true)
	f.add("new")
	broken.Store(true)
	if r := f.poll(); r.Err == nil || r.Waiting != 3 || len(inbox.Messages("INBOX")) != 2 {
		t.Errorf("got %+v and %d messages in the inbox, want an error, 3 waiting, and 2 messages", r, len(inbox.Messages("INBOX")))
	}
	broken.Store(false)
	if r := f.poll(); r.Err != nil || len(inbox.Messages("INBOX")) != 3 {
		t.Errorf("got %+v and %d messages in the inbox, want no error and 3", r, len(inbox.Messages("INBOX")))
	}
	asked.Store(0)
	f.add("newer")
	if r := f.poll(); r.Forwarded != 1 || asked.Load() != 0 {
		t.Errorf("got %+v, asked %d times; want 1 forwarded without asking", r, asked.Load())
	}
}

// TestFailoverTellsWhatCameTwice: a server that only takes mail cannot be asked. What may
// have come twice is counted, and has the same trace.
func TestFailoverTellsWhatCameTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(2)...)
	f.poll()
	f.failover(true)
	if r := f.poll(); r.Err != nil || r.Repeated != 2 {
		t.Errorf("got %+v, want 2 that may have come twice", r)
	}
	traces := make(map[string]int)
	for _, m := range f.smtp.Messages() {
		trace, _ := withoutTrace(m)
		traces[trace]++
	}
	for trace, n := range traces {
		if n != 2 {
			t.Errorf("trace %s came %d times, want 2", trace, n)
		}
	}
	f.add("new")
	if r := f.poll(); r.Forwarded != 1 || r.Repeated != 0 {
		t.Errorf("got %+v, want 1 forwarded, and nothing that may have come twice", r)
	}
}

// TestFailoverWithAnotherConfiguration: what had arrived is known by its trace, whatever
// the configuration says now of how long mail stays, or of who gets it.
func TestFailoverWithAnotherConfiguration(t *testing.T) {
	t.Parallel()
	keep := func(keep bool, forTime time.Duration) func(*fetcher.Account) {
		return func(a *fetcher.Account) { a.Policy.Keep, a.Policy.KeepFor = keep, forTime }
	}
	sort := func(field string) func(*fetcher.Account) {
		return func(a *fetcher.Account) {
			a.Multidrop = &multidrop.Sorter{Header: field, Domains: []string{"example.org"}, Otherwise: a.Destination.Recipients}
		}
	}
	for name, tt := range map[string]struct{ before, after func(*fetcher.Account) }{
		"true, then false": {keep(true, 0), keep(false, 0)},
		"false, then true": {keep(false, 0), keep(true, 0)},
		"true, then 14d":   {keep(true, 0), keep(true, twoWeeks)},
		"14d, then true":   {keep(true, twoWeeks), keep(true, 0)},
		"multidrop":        {keep(true, 0), sort("X-Box")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			inbox := f.deliverByIMAP("INBOX", imaptest.Options{})
			tt.before(&f.account)
			octets := dated("m1", "X-Box: leo@example.org\r\n"+youngReceived)
			f.addUnder("uid-m1", octets)
			f.poll()
			f.failover(true)
			f.replace("uid-m1", octets) // its deletion was as new as what the ledger has lost
			tt.after(&f.account)
			if r := f.poll(); r.Err != nil || r.Forwarded != 1 || len(inbox.Messages("INBOX")) != 1 {
				t.Errorf("got %+v and %d messages in the inbox, want no error, 1 forwarded, and 1", r, len(inbox.Messages("INBOX")))
			}
		})
	}
}

// TestAnotherMessageUnderATraceIsSent: a message that differs from one in the inbox only
// below its header is not taken for it: it would be deleted, at once or one day.
func TestAnotherMessageUnderATraceIsSent(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"deleted": false, "left on the server": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Policy.Keep = keep
			inbox := f.deliverByIMAP("INBOX", imaptest.Options{})
			f.addUnder("uid", octetsOf("m"))
			f.poll()
			f.failover(true)
			f.replace("uid", append(octetsOf("m"), "and more\r\n"...))
			f.poll()
			all := inbox.Messages("INBOX")
			if len(all) != 2 || !bytes.HasSuffix(all[1].Octets, []byte("and more\r\n")) {
				t.Errorf("the inbox has %d messages, want both", len(all))
			}
		})
	}
}

package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// renumber gives all messages new UIDs, as a server does that was moved.
func (f *fixture) renumber(prefix string) {
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		for i := range ms {
			ms[i].UID = fmt.Sprint(prefix, i)
		}
		return ms
	})
}

// untold is a mailbox that was moved when nothing could tell its messages.
func renumberedWithoutFingerprints(t *testing.T, b faults) *fixture {
	f := newFixture(t, b)
	f.account.Policy.OnlyNew = true // rows without fingerprints
	f.add(numbered(12)...)
	f.poll()
	f.renumber("moved-")
	if r := f.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) {
		t.Fatalf("%+v", r)
	}
	return f
}

// stopping is a ledger at whose first write a person stops the poll.
type stopping struct {
	fetcher.Lease
	stop func()
}

func (l stopping) Put(ctx context.Context, recs ...*record) error {
	defer l.stop()
	return l.Lease.Put(ctx, recs...)
}

func TestRenumberedMessagesAreKnownByTheirHeaders(t *testing.T) {
	t.Parallel()
	for _, top := range []bool{true, false} {
		t.Run(fmt.Sprint("top ", top), func(t *testing.T) {
			t.Parallel()
			b := faults{}
			if !top {
				b.pop = refuse("unknown command", "TOP")
			}
			f := newFixture(t, b)
			f.add(numbered(30)...)
			f.poll()
			f.renumber("moved-")
			f.add("new1", "new2")
			if r := f.poll(); r.Err != nil || r.Forwarded != 2 {
				t.Fatalf("%+v", r)
			}
			if r := f.poll(); r.Err != nil || r.Forwarded != 0 {
				t.Errorf("%+v", r)
			}
			// What is known under its new UID is deleted by it.
			f.account.Policy.Keep = false
			if r := f.poll(); r.Err != nil || r.OnServer != 0 {
				t.Errorf("%+v", r)
			}
			same(t, "arrived", sorted(f.arrived()), sorted(append(numbered(30), "new1", "new2")))
		})
	}
}

// TestRenumberedHeaderlessMessagesAreKnownByTheirBodies: by TOP they look alike, so they
// are told by what RETR shows.
func TestRenumberedHeaderlessMessagesAreKnownByTheirBodies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	for i := range 12 {
		f.pop.Add("leo", pop3test.Message{UID: fmt.Sprint(i), Octets: fmt.Appendf(nil, "Subject: alike\r\n\r\nbody %d\r\n", i+10)})
	}
	f.poll()
	f.renumber("moved-")
	if r := f.poll(); r.Err != nil || r.Forwarded != 0 || len(f.smtp.Messages()) != 12 {
		t.Errorf("%+v, %d arrived", r, len(f.smtp.Messages()))
	}
}

// The guard also holds if a message was removed before the move.
func TestRenumberedMailboxWithOneMessageLessForwardsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(100)...)
	f.poll()
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.renumber("moved-")
	if r := f.poll(); r.Err != nil || r.Forwarded != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRenumberedWithoutFingerprintsWaitsForTheUser(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"adopt", "resend"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Policy.OnlyNew = true // rows without fingerprints
			f.add(numbered(12)...)
			f.poll()
			f.renumber("moved-")
			for range 2 {
				if r := f.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) || !r.TryAgain() || len(f.arrived()) > 0 {
					t.Fatalf("%+v, arrived %v", r, f.arrived())
				}
			}
			l, err := f.store.Lease(t.Context(), f.account.ID)
			must(t, err)
			a, err := l.Account(t.Context())
			must(t, err)
			a.UIDs = map[string]ledger.UIDState{"adopt": ledger.UIDsAdopting, "resend": ledger.UIDsStable}[word]
			must(t, l.PutAccount(t.Context(), a))
			must(t, l.Release())
			want := map[string]int{"adopt": 0, "resend": 12}[word]
			for range 2 {
				if r := f.poll(); r.Err != nil || len(f.arrived()) != want {
					t.Errorf("%+v, %d arrived, want %d", r, len(f.arrived()), want)
				}
			}
			f.add("new")
			f.poll()
			if len(f.arrived()) != want+1 {
				t.Errorf("%d arrived, want %d", len(f.arrived()), want+1)
			}
		})
	}
}

// TestEmptyListingDoesNotEndRenumbered: a person still has to say whether all is sent
// again.
func TestEmptyListingDoesNotEndRenumbered(t *testing.T) {
	t.Parallel()
	var p partialListing
	f := renumberedWithoutFingerprints(t, faults{pop: p.handle})
	for _, empty := range []bool{true, false} {
		p.on.Store(empty)
		if r := f.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) || len(f.arrived()) > 0 {
			t.Errorf("empty %v: %+v, arrived %v", empty, r, f.arrived())
		}
	}
}

// TestStoppedAdoptAdoptsNoLaterMessage adopts what was there, and no mail that comes later.
func TestStoppedAdoptAdoptsNoLaterMessage(t *testing.T) {
	t.Parallel()
	f := renumberedWithoutFingerprints(t, faults{})
	l, err := f.store.Lease(t.Context(), f.account.ID)
	must(t, err)
	a, err := l.Account(t.Context())
	must(t, err)
	a.UIDs = ledger.UIDsAdopting
	must(t, l.PutAccount(t.Context(), a))
	must(t, l.Release())
	stop := sync.OnceFunc(func() { close(f.stop) })
	f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := f.store.Lease(ctx, id)
		return stopping{l, stop}, err
	}
	f.poll()
	stop()
	f.lease, f.stop = nil, make(chan struct{})
	f.add("news")
	f.pollTwiceDaily(2, true)
	same(t, "arrived", f.arrived(), []string{"news"})
}

// TestEmptiedMailboxWithNewMessagesIsNotRenumbered, with as many new messages since, is not
// one that was moved, even if a row has no fingerprint.
func TestEmptiedMailboxWithNewMessagesIsNotRenumbered(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 2000
	f.add(numbered(11)...)
	f.pop.Add("leo", pop3test.Message{UID: "big", Octets: append(octetsOf("big"), bytes.Repeat([]byte("x\r\n"), 1000)...)})
	f.poll()
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
	for i := range 12 {
		f.add(fmt.Sprint("new", i))
	}
	if r := f.poll(); r.Err != nil || r.Forwarded != 12 {
		t.Errorf("%+v", r)
	}
}

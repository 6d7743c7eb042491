package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// partial is a server that for a while lists less than it has.
type partial struct {
	on         atomic.Bool
	uids, list []string
}

func (p *partial) handle(s *pop3test.Session, verb, arg string) bool {
	switch {
	case !p.on.Load() || arg != "":
		return false
	case verb == "STAT":
		s.OK("%d 100", len(p.uids))
	case verb == "UIDL":
		s.Lines("", p.uids...)
	case verb == "LIST":
		s.Lines("", p.list...)
	default:
		return false
	}
	return true
}

// untold is a mailbox that was moved when nothing could tell its messages.
func untold(t *testing.T, b bend) *world {
	w := newWorld(t, b)
	w.account.Policy.OnlyNew = true // rows without fingerprints
	w.add(many(12)...)
	w.poll()
	w.renumber("moved-")
	if r := w.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) {
		t.Fatalf("%+v", r)
	}
	return w
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

// TestAdoptThatIsStopped adopts what was there, and no mail that comes later.
func TestAdoptThatIsStopped(t *testing.T) {
	t.Parallel()
	w := untold(t, bend{})
	l, err := w.store.Lease(t.Context(), w.account.ID)
	must(t, err)
	a, err := l.Account(t.Context())
	must(t, err)
	a.UIDs = ledger.UIDsAdopting
	must(t, l.PutAccount(t.Context(), a))
	must(t, l.Release())
	stop := sync.OnceFunc(func() { close(w.stop) })
	w.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := w.store.Lease(ctx, id)
		return stopping{l, stop}, err
	}
	w.poll()
	stop()
	w.lease, w.stop = nil, make(chan struct{})
	w.add("news")
	w.daily(2, true)
	same(t, "arrived", w.arrived(), []string{"news"})
}

// TestEmptyListingAnswersNothing: a person still has to say whether all is sent
// again.
func TestEmptyListingAnswersNothing(t *testing.T) {
	t.Parallel()
	var p partial
	w := untold(t, bend{pop: p.handle})
	for _, empty := range []bool{true, false} {
		p.on.Store(empty)
		if r := w.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) || len(w.arrived()) > 0 {
			t.Errorf("empty %v: %+v, arrived %v", empty, r, w.arrived())
		}
	}
}

// TestMailboxEmptiedByAnotherClient, with as many new messages since, is not
// one that was moved, even if a row has no fingerprint.
func TestMailboxEmptiedByAnotherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.MaxSize = 2000
	w.add(many(11)...)
	w.pop.Add("leo", pop3test.Message{UID: "big", Octets: append(letter("big"), bytes.Repeat([]byte("x\r\n"), 1000)...)})
	w.poll()
	w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
	for i := range 12 {
		w.add(fmt.Sprint("new", i))
	}
	if r := w.poll(); r.Err != nil || r.Forwarded != 12 {
		t.Errorf("%+v", r)
	}
}

// TestMessageThatIsBackKeepsItsTime: one that was tried often, and then not
// listed once, is not tried before it is due.
func TestMessageThatIsBackKeepsItsTime(t *testing.T) {
	t.Parallel()
	p := partial{uids: []string{"2 uid-m2"}, list: []string{fmt.Sprint("2 ", len(letter("m2")))}}
	w := newWorld(t, bend{pop: p.handle, smtp: greylist(1 << 20)})
	w.add("m1", "m2")
	for range 8 {
		w.poll()
	}
	tried := w.record("uid-m1").Attempts
	p.on.Store(true)
	w.now.Add(time.Minute)
	w.pollAs(false)
	if got := w.states()["uid-m1"]; got != "gone" {
		t.Fatalf("it is %s: the test tests nothing", got)
	}
	p.on.Store(false)
	w.pollAs(false)
	if n := w.record("uid-m1").Attempts; n != tried {
		t.Errorf("tried %d times, and %d before", n, tried)
	}
}

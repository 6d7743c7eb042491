package fetcher_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// importing notes messages as popferry import does.
func (w *world) importing(uids ...string) {
	w.t.Helper()
	l, err := w.store.Lease(w.t.Context(), w.account.ID)
	must(w.t, err)
	for _, uid := range uids {
		must(w.t, l.Put(w.t.Context(), ledger.Imported(uid, "mpop", w.now.Now())))
	}
	must(w.t, l.Release())
}

// TestImported: what another program had fetched is neither forwarded nor
// deleted, whatever the policy, and is told by its size too once it was listed.
func TestImported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	w.add("m1", "m2", "m3")
	w.importing("uid-m1", "uid-m3", "uid-long-gone")
	for range 2 {
		w.poll()
	}
	same(t, "arrived", w.arrived(), []string{"m2"})
	same(t, "left", w.left(), []string{"uid-m1", "uid-m3"})
	if size := w.record("uid-m1").Size; size != int64(len(letter("m1"))) {
		t.Errorf("its size is %d", size)
	}
	w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
		return []pop3test.Message{{UID: "uid-m1", Octets: letter("another")}}
	})
	w.poll()
	same(t, "arrived", w.arrived(), []string{"m2", "another"})
}

// TestImportedTwice: copies under one UID were all fetched before; of messages
// that differ only one was, and nobody knows which.
func TestImportedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	for _, m := range []struct{ uid, text string }{{"copies", "m1"}, {"copies", "m1"}, {"others", "m2"}, {"others", "m3"}} {
		w.pop.Add("leo", pop3test.Message{UID: m.uid, Octets: letter(m.text)})
	}
	w.importing("copies", "others")
	w.daily(3, true)
	same(t, "arrived", sorted(w.arrived()), []string{"m2", "m3"})
	same(t, "left", w.left(), []string{"copies", "copies"})
	for _, r := range w.records() {
		if r.UID == "copies" && (r.State != ledger.Skipped || r.Cause.Code != ledger.CauseImported) {
			t.Errorf("%s: %+v", r.State, r.Cause)
		}
	}
}

// TestImportedOutOfSight: a server that does not list a message at first must
// not have it forwarded when it does.
func TestImportedOutOfSight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add("m1")
	w.importing("uid-m1", "uid-m2")
	w.poll()
	w.poll()
	w.add("m2", "m3")
	w.poll()
	w.poll()
	same(t, "arrived", w.arrived(), []string{"m3"})
}

// TestImportedIsRetried, and then is a message like any other.
func TestImportedIsRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	w.add("m1", "m2")
	w.importing("uid-m1", "uid-m2")
	l, err := w.store.Lease(t.Context(), w.account.ID)
	must(t, err)
	rec := w.record("uid-m2")
	rec.Retry(w.now.Now())
	must(t, l.Put(t.Context(), rec))
	must(t, l.Release())
	w.poll()
	same(t, "arrived", w.arrived(), []string{"m2"})
	same(t, "left", w.left(), []string{"uid-m1"})
}

// TestImportedFromElsewhere: UIDs of which the server has none, and as many
// others, are no reason to forward everything. One answer is enough.
func TestImportedFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add(many(12)...)
	for i := range 12 {
		w.importing(fmt.Sprint("other-", i))
	}
	if r := w.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) || len(w.arrived()) > 0 {
		t.Fatalf("%+v, arrived %v", r, w.arrived())
	}
	l, err := w.store.Lease(t.Context(), w.account.ID)
	must(t, err)
	a, err := l.Account(t.Context())
	must(t, err)
	a.UIDs = ledger.UIDsStable // popferry resend
	must(t, l.PutAccount(t.Context(), a))
	must(t, l.Release())
	if r := w.poll(); r.Err != nil || r.Forwarded != 12 {
		t.Errorf("%+v", r)
	}
}

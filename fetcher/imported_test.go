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
func (f *fixture) importRows(uids ...string) {
	f.t.Helper()
	l, err := f.store.Lease(f.t.Context(), f.account.ID)
	must(f.t, err)
	for _, uid := range uids {
		must(f.t, l.Put(f.t.Context(), ledger.Imported(uid, "mpop", f.now.Now())))
	}
	must(f.t, l.Release())
}

// TestImportedMessageIsNeitherForwardedNorDeleted: what another program had fetched is neither forwarded nor
// deleted, whatever the policy, and is told by its size too once it was listed.
func TestImportedMessageIsNeitherForwardedNorDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3")
	f.importRows("uid-m1", "uid-m3", "uid-long-gone")
	for range 2 {
		f.poll()
	}
	same(t, "arrived", f.arrived(), []string{"m2"})
	same(t, "left", f.left(), []string{"uid-m1", "uid-m3"})
	if size := f.record("uid-m1").Size; size != int64(len(octetsOf("m1"))) {
		t.Errorf("its size is %d", size)
	}
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
		return []pop3test.Message{{UID: "uid-m1", Octets: octetsOf("another")}}
	})
	f.poll()
	same(t, "arrived", f.arrived(), []string{"m2", "another"})
}

// TestImportedUIDOfSeveralMessagesSkipsOnlyCopies: copies under one UID were all fetched before; of messages
// that differ only one was, and nobody knows which.
func TestImportedUIDOfSeveralMessagesSkipsOnlyCopies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	for _, m := range []struct{ uid, text string }{{"copies", "m1"}, {"copies", "m1"}, {"others", "m2"}, {"others", "m3"}} {
		f.pop.Add("leo", pop3test.Message{UID: m.uid, Octets: octetsOf(m.text)})
	}
	f.importRows("copies", "others")
	f.pollTwiceDaily(3, true)
	same(t, "arrived", sorted(f.arrived()), []string{"m2", "m3"})
	same(t, "left", f.left(), []string{"copies", "copies"})
	for _, r := range f.records() {
		if r.UID == "copies" && (r.State != ledger.Skipped || r.Cause.Code != ledger.CauseImported) {
			t.Errorf("%s: %+v", r.State, r.Cause)
		}
	}
}

// TestImportedMessageListedLaterIsNotForwarded: a server that does not list a message at first must
// not have it forwarded when it does.
func TestImportedMessageListedLaterIsNotForwarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("m1")
	f.importRows("uid-m1", "uid-m2")
	f.poll()
	f.poll()
	f.add("m2", "m3")
	f.poll()
	f.poll()
	same(t, "arrived", f.arrived(), []string{"m3"})
}

// TestImportedMessageIsForwardedAfterRetry, and then is a message like any other.
func TestImportedMessageIsForwardedAfterRetry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	f.importRows("uid-m1", "uid-m2")
	l, err := f.store.Lease(t.Context(), f.account.ID)
	must(t, err)
	rec := f.record("uid-m2")
	rec.Retry(f.now.Now())
	must(t, l.Put(t.Context(), rec))
	must(t, l.Release())
	f.poll()
	same(t, "arrived", f.arrived(), []string{"m2"})
	same(t, "left", f.left(), []string{"uid-m1"})
}

// TestImportedUIDsOfAnotherServerWaitForTheUser: UIDs of which the server has none, and as many
// others, are no reason to forward everything. One answer is enough.
func TestImportedUIDsOfAnotherServerWaitForTheUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(12)...)
	for i := range 12 {
		f.importRows(fmt.Sprint("other-", i))
	}
	if r := f.poll(); !errors.Is(r.Err, fetcher.ErrRenumbered) || len(f.arrived()) > 0 {
		t.Fatalf("%+v, arrived %v", r, f.arrived())
	}
	l, err := f.store.Lease(t.Context(), f.account.ID)
	must(t, err)
	a, err := l.Account(t.Context())
	must(t, err)
	a.UIDs = ledger.UIDsStable // popferry resend
	must(t, l.PutAccount(t.Context(), a))
	must(t, l.Release())
	if r := f.poll(); r.Err != nil || r.Forwarded != 12 {
		t.Errorf("%+v", r)
	}
}

package fetcher_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// importRows notes messages as popferry import does.
func (f *fixture) importRows(uids ...string) {
	f.t.Helper()
	var recs []*ledger.Record
	for _, uid := range uids {
		recs = append(recs, ledger.Imported(uid, "mpop", f.now.Now()))
	}
	f.underLease(func(ctx context.Context, l fetcher.Lease) error { return l.Put(ctx, recs...) })
}

// What another program had fetched stays as it is, whatever the policy, and is
// recognised by its size too once it was listed.
func TestImportedMessageIsNeitherForwardedNorDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3")
	f.importRows("uid-m1", "uid-m3", "uid-long-gone")
	for range 2 {
		f.poll()
	}
	f.wantArrived("m2")
	f.wantLeft("uid-m1", "uid-m3")
	if got, want := f.record("uid-m1").Size, int64(len(octetsOf("m1"))); got != want {
		t.Errorf("its size in the ledger: %d, want %d", got, want)
	}
	f.replace("uid-m1", octetsOf("another"))
	f.poll()
	f.wantArrivedInOrder("m2", "another")
}

// Copies under one UID were all fetched before; of messages that differ only one
// was, and which one is not known.
func TestImportedUIDOfSeveralMessagesSkipsOnlyCopies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.addUnder("copies", octetsOf("m1"), octetsOf("m1"))
	f.addUnder("others", octetsOf("m2"), octetsOf("m3"))
	f.importRows("copies", "others")
	f.pollEvery12Hours(3, true)
	f.wantArrived("m2", "m3")
	f.wantLeft("copies", "copies")
	for _, r := range f.records() {
		if r.UID == "copies" && (r.State != ledger.Skipped || r.Cause.Code != ledger.CauseImported) {
			t.Errorf("a row of copies: %s, cause %+v; want skipped, cause %s", r.State, r.Cause, ledger.CauseImported)
		}
	}
}

// A server that does not list a message at first must not have it forwarded when
// it does.
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
	f.wantArrived("m3")
}

// After popferry retry it is a message like any other.
func TestImportedMessageIsForwardedAfterRetry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	f.importRows("uid-m1", "uid-m2")
	rec := f.record("uid-m2")
	rec.Retry(f.now.Now())
	f.underLease(func(ctx context.Context, l fetcher.Lease) error { return l.Put(ctx, rec) })
	f.poll()
	f.wantArrived("m2")
	f.wantLeft("uid-m1")
}

// UIDs of which the server has none, and as many others, are no reason to forward
// everything. One answer of the user is enough.
func TestImportedUIDsOfAnotherServerWaitForTheUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(12)...)
	for i := range 12 {
		f.importRows(fmt.Sprint("other-", i))
	}
	wantResult(t, f.poll(), result{OnServer: -1, Err: fetcher.ErrRenumbered})
	f.wantArrived()
	f.setUIDs(ledger.UIDsStable) // popferry resend
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 12}, OnServer: 12})
}

// A header that was cut short, though an end came behind it, is not that of the message:
// it would be another one's when sizes are counted otherwise one day.
func TestHeaderThatIsCutShortIdentifiesNothing(t *testing.T) {
	t.Parallel()
	cut := true
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "TOP" || !cut {
			return false
		}
		s.Lines("", "Received: from a.example by mx.example; Sun, 22 Nov 2026 10:00:00 +0000", "Message-ID: <m")
		return true
	}})
	f.account.Policy.OnlyNew = true
	f.add("m1")
	f.pollEvery12Hours(1, false)
	cut = false
	f.lengthenFirst()
	f.pollEvery12Hours(1, false)
	f.wantArrived()
	f.pollEvery12Hours(2, false) // a day later it is asked for again
	if got := f.record("uid-m1").Fingerprint; got == "" {
		t.Error("the message has no fingerprint, want the one that its whole header shows")
	}
	f.lengthenFirst()
	f.pollEvery12Hours(1, false)
	f.wantArrived()
}

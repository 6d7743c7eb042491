package ledgertest

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testDeleted(t *testing.T, k Kind) {
	f := setup(t, k)
	forwarded, held := in(ledger.Forwarded, "forwarded"), in(ledger.Held, "held")
	f.put(t, forwarded, held)
	for name, ids := range map[string][]int64{
		"a held message":     {forwarded.ID, held.ID},
		"an unknown message": {forwarded.ID, 1 << 40},
	} {
		wantFailure(t, name, f.lease.Deleted(f, epoch, ids...))
		equal(t, name, f.known(t), []ledger.Known{forwarded.Known, held.Known})
	}

	must(t, f.lease.Deleted(f, epoch, forwarded.ID))
	forwarded.DeletedAt, forwarded.Deletions = epoch, 1
	equal(t, "deleted", f.known(t), []ledger.Known{forwarded.Known, held.Known})

	must(t, f.lease.Deleted(f, time.Time{}, forwarded.ID))
	forwarded.DeletedAt = time.Time{} // the count of deletions stays
	equal(t, "taken back", f.known(t), []ledger.Known{forwarded.Known, held.Known})
}

func testDrop(t *testing.T, k Kind) {
	f := setup(t, k)
	var all []*ledger.Record
	for _, s := range ledger.States() {
		all = append(all, in(s, s.String()))
	}
	all[0].Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Sending}}
	f.put(t, all...)
	sending := all[0].ID
	for _, r := range all[1:] {
		wantFailure(t, "dropping a message that is "+r.State.String(), f.lease.Drop(f, sending, r.ID))
	}
	equal(t, "rows left", len(f.known(t)), len(all))
	must(t, f.lease.Drop(f, sending))
	_, err := f.lease.Record(f, sending)
	wantError(t, "a dropped record", err, ledger.ErrNotFound)
	f.put(t, in(ledger.Sending, all[0].UID))
}

func testSetMissing(t *testing.T, k Kind) {
	f := setup(t, k)
	listed, missing := in(ledger.Forwarded, "listed"), in(ledger.Held, "missing")
	f.put(t, listed, missing)
	wantError(t, "an unknown message", f.lease.SetMissing(f, epoch, []int64{missing.ID, 1 << 40}), ledger.ErrNotFound)
	equal(t, "after an error", f.record(t, missing.ID), missing)
	must(t, f.lease.SetMissing(f, epoch, []int64{missing.ID}))
	missing.MissingSince = epoch
	equal(t, "missing", f.record(t, missing.ID), missing)
	equal(t, "listed", f.record(t, listed.ID), listed)
	must(t, f.lease.SetMissing(f, time.Time{}, []int64{missing.ID}))
	missing.MissingSince = time.Time{}
	equal(t, "listed again", f.record(t, missing.ID), missing)
}

func testPrune(t *testing.T, k Kind) {
	f := setup(t, k)
	old, fresh, kept := in(ledger.Forwarded, "old"), in(ledger.Forwarded, "fresh"), in(ledger.Forwarded, "kept")
	old.DeletedAt, fresh.DeletedAt = epoch.Add(-time.Millisecond), epoch
	old.Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Forwarded}}
	kept.ForwardedAt, kept.MissingSince = epoch.AddDate(-9, 0, 0), epoch.AddDate(-9, 0, 0)
	f.put(t, old, fresh, kept)
	n, err := f.store.Prune(f, epoch)
	must(t, err)
	equal(t, "rows pruned", n, 1)
	equal(t, "left", f.known(t), []ledger.Known{fresh.Known, kept.Known})
}

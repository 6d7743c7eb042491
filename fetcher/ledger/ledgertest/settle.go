package ledgertest

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testDeleted(t *testing.T, k Kind) {
	f := setup(t, k)
	forwarded, held := in(ledger.Forwarded, "forwarded"), in(ledger.Held, "held")
	f.put(t, forwarded, held)
	for name, ids := range map[string][]int64{
		"held":    {forwarded.ID, held.ID},
		"no such": {forwarded.ID, 1 << 40},
	} {
		if err := f.lease.Deleted(f, epoch, ids...); err == nil {
			t.Errorf("%s: no error", name)
		}
		equal(t, name, f.known(t), []ledger.Known{forwarded.Known, held.Known})
	}

	must(t, f.lease.Deleted(f, epoch, forwarded.ID))
	forwarded.DeletedAt, forwarded.Deletions = epoch, 1
	equal(t, "deleted", f.known(t), []ledger.Known{forwarded.Known, held.Known})

	must(t, f.lease.Deleted(f, time.Time{}, forwarded.ID))
	forwarded.DeletedAt = time.Time{} // that it was deleted once stays known
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
		if err := f.lease.Drop(f, sending, r.ID); err == nil {
			t.Errorf("%s was dropped", r.State)
		}
	}
	if n := len(f.known(t)); n != len(all) {
		t.Fatalf("%d rows of %d are left", n, len(all))
	}
	must(t, f.lease.Drop(f, sending))
	if _, err := f.lease.Record(f, sending); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("after Drop: %v", err)
	}
	f.put(t, in(ledger.Sending, all[0].UID))
}

func testSetMissing(t *testing.T, k Kind) {
	f := setup(t, k)
	there, missing := in(ledger.Forwarded, "there"), in(ledger.Held, "missing")
	f.put(t, there, missing)
	if err := f.lease.SetMissing(f, epoch, []int64{missing.ID, 1 << 40}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("no such row: %v", err)
	}
	equal(t, "after an error", f.record(t, missing.ID), missing)
	must(t, f.lease.SetMissing(f, epoch, []int64{missing.ID}))
	missing.MissingSince = epoch
	equal(t, "missing", f.record(t, missing.ID), missing)
	equal(t, "there", f.record(t, there.ID), there)
	must(t, f.lease.SetMissing(f, time.Time{}, []int64{missing.ID}))
	missing.MissingSince = time.Time{}
	equal(t, "back", f.record(t, missing.ID), missing)
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
	if n != 1 {
		t.Errorf("%d rows were pruned", n)
	}
	equal(t, "left", f.known(t), []ledger.Known{fresh.Known, kept.Known})
}

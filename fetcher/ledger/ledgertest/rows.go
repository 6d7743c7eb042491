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
	forwarded.DeletedAt, forwarded.MissingSince, forwarded.Deletions = epoch, epoch, 1
	equal(t, "deleted", f.known(t), []ledger.Known{forwarded.Known, held.Known})

	must(t, f.lease.Deleted(f, time.Time{}, forwarded.ID))
	forwarded.DeletedAt, forwarded.MissingSince = time.Time{}, time.Time{} // the count of deletions stays
	equal(t, "taken back", f.known(t), []ledger.Known{forwarded.Known, held.Known})

	must(t, f.lease.Deleted(f, epoch, forwarded.ID))
	must(t, f.lease.SetMissing(f, time.Time{}, []int64{forwarded.ID}))
	forwarded.DeletedAt, forwarded.Deletions = epoch, 2
	equal(t, "deleted, and listed again", f.known(t), []ledger.Known{forwarded.Known, held.Known})
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

func testSettle(t *testing.T, k Kind) {
	f := setup(t, k)
	intent := in(ledger.Sending, "1")
	intent.Trace, intent.Attempts = "trace", 1
	never := *intent
	never.UID = "2"
	must(t, f.lease.Settle(f, &never, nil)) // its Put failed, so that it has no ID
	f.put(t, intent)
	outcome := *intent
	outcome.State, outcome.ForwardedAt = ledger.Forwarded, epoch
	must(t, f.lease.Settle(f, intent, &outcome))
	equal(t, "settled", f.record(t, intent.ID), &outcome)
	wantFailure(t, "Settle without an outcome of what was forwarded", f.lease.Settle(f, intent, nil))

	dropped := in(ledger.Sending, "3")
	f.put(t, dropped)
	must(t, f.lease.Settle(f, dropped, nil))
	equal(t, "rows left", f.known(t), []ledger.Known{outcome.Known})
	days, err := f.store.Days(f, epoch)
	must(t, err)
	equal(t, "Days", days, []ledger.Day{{Account: f.account.ID, Date: epoch.Format(time.DateOnly), Outcome: ledger.Forwarded, Count: 1}})
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

// longAgo is when a message was last seen whose row may go, once there are the
// listings of listedSince.
var longAgo = epoch.Add(-ledger.RowLife - 72*time.Hour)

// listedSince are listings of two days, the first of them RowLife after longAgo.
var listedSince = ledger.Listings{Before: longAgo.Add(ledger.RowLife + time.Hour), Last: epoch}

// missing is a row of a message that is missing since then.
func missing(s ledger.State, uid string, since time.Time) *ledger.Record {
	r := in(s, uid)
	r.MissingSince = since
	return r
}

func testPrune(t *testing.T, k Kind) {
	f := setup(t, k)
	account := f.account
	account.Listings, account.Began = listedSince, epoch
	must(t, f.lease.PutAccount(f, account))
	deleted, ignored := missing(ledger.Forwarded, "deleted", longAgo), in(ledger.Forwarded, "deleted, but still listed")
	deleted.DeletedAt, ignored.DeletedAt = longAgo, longAgo.AddDate(-9, 0, 0)
	deleted.Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Forwarded}}
	copied := missing(ledger.Forwarded, "with a copy", longAgo)
	copied.CopyFile = "file"
	listed := in(ledger.Forwarded, "listed")
	listed.ForwardedAt = longAgo.AddDate(-9, 0, 0)
	go1, go2, go3 := missing(ledger.Forwarded, "removed by its owner", longAgo), missing(ledger.Gone, "gone", longAgo), missing(ledger.Skipped, "skipped", longAgo)
	keep := []*ledger.Record{
		ignored, copied, listed, missing(ledger.Forwarded, "not long ago", longAgo.Add(time.Hour)),
		missing(ledger.Held, "held", longAgo), missing(ledger.Deferred, "deferred", longAgo), missing(ledger.Unknown, "unknown", longAgo),
	}
	f.put(t, append([]*ledger.Record{deleted, go1, go2, go3}, keep...)...)

	f.wantPruned(t, "while the account is being polled", 0)
	must(t, f.lease.Release())
	f.wantPruned(t, "rows", 4)
	left := f.known(t)
	for i, k := range keep {
		if i >= len(left) || left[i].UID != k.UID {
			t.Fatalf("left are %+v, want %s there", left, k.UID)
		}
	}
	equal(t, "rows left", len(left), len(keep))
	take(t, f.store, f.account.ID) // it was given back
}

func (f *fixture) wantPruned(t *testing.T, when string, want int) {
	t.Helper()
	n, err := f.store.Prune(f)
	must(t, err)
	equal(t, "pruned, "+when, n, want)
}

// testPruneEvidence: the clock alone does not make a row old.
func testPruneEvidence(t *testing.T, k Kind) {
	f := setup(t, k)
	left, deleted := missing(ledger.Forwarded, "left", longAgo), missing(ledger.Forwarded, "deleted", longAgo)
	deleted.DeletedAt = longAgo
	f.put(t, left, deleted)
	account := f.account
	hides := ledger.ServerFacts{Habits: ledger.Habits{RetrHides: fact(true, epoch, 2)}}
	expires := ledger.ServerFacts{Capabilities: ledger.Capabilities{Expires: fact(true, epoch, 1)}}
	for i, test := range []struct {
		name     string
		listings ledger.Listings
		server   ledger.ServerFacts
		want     int
	}{
		{"without a poll of this version", listedSince, ledger.ServerFacts{}, 0},
		{"without a listing", ledger.Listings{}, ledger.ServerFacts{}, 0},
		{"one listing", ledger.Listings{Last: epoch}, ledger.ServerFacts{}, 0},
		{"one of the two is too early", ledger.Listings{Before: longAgo.Add(ledger.RowLife), Last: epoch}, ledger.ServerFacts{}, 0},
		{"they are of the future", ledger.Listings{Before: epoch, Last: epoch.AddDate(0, 0, 1)}, ledger.ServerFacts{}, 0},
		{"a server that hides", listedSince, hides, 1},
		{"one that is known to hide", listedSince, ledger.ServerFacts{Hides: true}, 0},
		{"one that says EXPIRE 0", listedSince, expires, 0},
		{"two listings", listedSince, ledger.ServerFacts{}, 1},
	} {
		account.Listings, account.Server = test.listings, test.server
		if i > 0 {
			account.Began = epoch
		}
		must(t, f.lease.PutAccount(f, account))
		must(t, f.lease.Release())
		f.wantPruned(t, test.name, test.want)
		f.lease = take(t, f.store, f.account.ID)
	}
}

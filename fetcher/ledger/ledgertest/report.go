package ledgertest

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testMessages(t *testing.T, k Kind) {
	f := setup(t, k)
	zebra := take(t, f.store, claim(t, f.store, ledger.Identity{Name: "zebra", Username: "z", Host: "h"})[0].ID)
	a, b, c, d := full(), in(ledger.Held, "b"), in(ledger.Held, "c"), in(ledger.Deferred, "b")
	must(t, zebra.Put(f, d))
	f.put(t, a, b, c)
	for _, test := range []struct {
		filter ledger.Filter
		want   []*ledger.Record
	}{
		{ledger.Filter{}, []*ledger.Record{a, b, c, d}},
		{ledger.Filter{Account: "isp"}, []*ledger.Record{a, b, c}},
		{ledger.Filter{Account: "zebra"}, []*ledger.Record{d}},
		{ledger.Filter{Account: "nobody"}, nil},
		{ledger.Filter{State: ledger.Held}, []*ledger.Record{b, c}},
		{ledger.Filter{UID: "b"}, []*ledger.Record{b, d}},
		{ledger.Filter{UID: "a\xff\x00b"}, []*ledger.Record{a}},
		{ledger.Filter{Account: "isp", State: ledger.Held, UID: "c"}, []*ledger.Record{c}},
		{ledger.Filter{Account: "zebra", State: ledger.Held}, nil},
	} {
		var got []*ledger.Record
		must(t, f.store.Messages(f, test.filter, func(account string, r *ledger.Record) error {
			if (account == "isp") != (r.Account == f.account.ID) {
				t.Errorf("a message of account %d has the account name %s; isp is %d", r.Account, account, f.account.ID)
			}
			got = append(got, r)
			return nil
		}))
		if len(got) != len(test.want) {
			t.Errorf("%+v: %d messages, want %d", test.filter, len(got), len(test.want))
			continue
		}
		for i := range got {
			equal(t, "message", got[i], rounded(test.want[i]))
		}
	}
	testYield(t, f)
}

// testYield: an error of yield ends it, and yield may write.
func testYield(t *testing.T, f *fixture) {
	enough, n := errors.New("enough"), 0
	err := f.store.Messages(f, ledger.Filter{}, func(_ string, r *ledger.Record) error {
		n++
		must(t, f.store.PutRoute(f, ledger.Route{}, ledger.Route{RouteKey: ledger.RouteKey{Destination: "from yield"}}))
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("yield returned an error: it was called %d times, want 1; Messages returned %v, want %v", n, err, enough)
	}
}

func testCopies(t *testing.T, k Kind) {
	f := setup(t, k)
	zebra := take(t, f.store, claim(t, f.store, ledger.Identity{Name: "zebra", Username: "z", Host: "h"})[0].ID)
	a, b, c := in(ledger.Deferred, "a\xff"), in(ledger.Forwarded, "b"), in(ledger.Held, "c")
	a.CopyFile, c.CopyFile = "a.eml", "c.eml"
	f.put(t, a, b)
	must(t, zebra.Put(f, c))
	got, err := f.store.Copies(f)
	must(t, err)
	equal(t, "copies", got, []ledger.Copy{
		{Account: f.account.ID, UID: "a\xff", State: ledger.Deferred, File: "a.eml"},
		{Account: c.Account, UID: "c", State: ledger.Held, File: "c.eml"},
	})
}

func testMarked(t *testing.T, k Kind) {
	f := setup(t, k)
	zebra := take(t, f.store, claim(t, f.store, ledger.Identity{Name: "zebra", Username: "z", Host: "h"})[0].ID)
	a, b, c, d := in(ledger.Held, "a"), in(ledger.Unknown, "b"), in(ledger.Unknown, "c"), in(ledger.Deferred, "d")
	a.Mark, c.Mark, d.Mark = "m", "m", "m"
	a.Recipients = []ledger.Recipient{{Address: "INBOX", State: ledger.Held, Doubts: 3}}
	f.put(t, a, b)
	must(t, zebra.Put(f, c))
	f.put(t, d)
	got, err := f.lease.Marked(f)
	must(t, err)
	equal(t, "marked", got, []*ledger.Record{a, d})
	d.Mark = ""
	f.put(t, d)
	got, err = f.lease.Marked(f)
	must(t, err)
	equal(t, "marked, once one is no more", got, []*ledger.Record{a})
}

func testCounts(t *testing.T, k Kind) {
	f := setup(t, k)
	r, s := in(ledger.Sending, "1"), in(ledger.Sending, "2")
	f.put(t, r, s)
	for _, next := range []ledger.State{ledger.Deferred, ledger.Deferred, ledger.Sending, ledger.Deferred, ledger.Sending, ledger.Forwarded, ledger.Forwarded} {
		r.State = next
		f.put(t, r)
	}
	s.State = ledger.Forwarded
	f.put(t, s, in(ledger.Skipped, "3"))

	counts, err := f.store.Counts(f)
	must(t, err)
	equal(t, "Counts", counts, map[int64]map[ledger.State]int{f.account.ID: {ledger.Forwarded: 2, ledger.Skipped: 1}})

	days, err := f.store.Days(f, epoch)
	must(t, err)
	want := map[ledger.Day]bool{}
	for outcome, n := range map[ledger.State]int{ledger.Deferred: 2, ledger.Forwarded: 2, ledger.Skipped: 1} {
		want[ledger.Day{Account: f.account.ID, Date: "2026-02-28", Outcome: outcome, Count: n}] = true
	}
	for _, d := range days {
		if !want[d] {
			t.Errorf("counted %+v, want none of these", d)
		}
		delete(want, d)
	}
	if len(want) > 0 {
		t.Errorf("not counted, but wanted: %+v", want)
	}

	days, err = f.store.Days(f, epoch.Add(time.Second))
	must(t, err)
	equal(t, "counts of the day after", len(days), 0)
	must(t, f.store.Ping(f))
}

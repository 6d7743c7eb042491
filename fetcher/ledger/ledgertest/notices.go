package ledgertest

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testNotices(t *testing.T, k Kind) {
	f := setup(t, k)
	wantNotices := func(want ...ledger.Notice) {
		t.Helper()
		got, err := f.store.Notices(f)
		must(t, err)
		equal(t, "Notices", got, want)
	}
	wantNotices()
	other := claim(t, f.store, f.account.Identity, ledger.Identity{Name: "zebra", Username: "z", Host: "h"})[1]
	a := ledger.Notice{Account: f.account.ID, Since: epoch, Told: epoch.Add(time.Hour), Held: []int64{2, 30, 1 << 40}, Late: []int64{3, 1 << 41}, HeldAt: epoch.Add(time.Minute)}
	b := ledger.Notice{Account: other.ID}
	must(t, f.store.PutNotices(f, a, b))
	wantNotices(a, b)
	a = ledger.Notice{Account: f.account.ID, Held: []int64{1}}
	must(t, f.store.PutNotices(f, a))
	wantNotices(a, b)
	wantFailure(t, "a notice of an unknown account", f.store.PutNotices(f, ledger.Notice{Account: b.Account, Held: []int64{9}}, ledger.Notice{Account: 12345}))
	wantNotices(a, b)
	_, err := f.lease.Forget(f)
	must(t, err)
	wantNotices(b)
}

package ledgertest

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testNotices(t *testing.T, k Kind) {
	f := setup(t, k)
	has := func(want ...ledger.Notice) {
		t.Helper()
		got, err := f.store.Notices(f)
		must(t, err)
		equal(t, "Notices", got, want)
	}
	has()
	other := claim(t, f.store, f.account.Identity, ledger.Identity{Name: "zebra", Username: "z", Host: "h"})[1]
	a := ledger.Notice{Account: f.account.ID, Since: epoch, Told: epoch.Add(time.Hour), Held: []int64{2, 30, 1 << 40}, HeldAt: epoch.Add(time.Minute)}
	b := ledger.Notice{Account: other.ID}
	must(t, f.store.PutNotices(f, a, b))
	has(a, b)
	a = ledger.Notice{Account: f.account.ID, Held: []int64{1}}
	must(t, f.store.PutNotices(f, a))
	has(a, b)
	if err := f.store.PutNotices(f, ledger.Notice{Account: b.Account, Held: []int64{9}}, ledger.Notice{Account: 12345}); err == nil {
		t.Error("an account that is not there")
	}
	has(a, b)
	_, err := f.lease.Forget(f)
	must(t, err)
	has(b)
}

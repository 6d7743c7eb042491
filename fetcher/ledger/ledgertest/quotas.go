package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// perHour is a quota of so many messages an hour.
func perHour(messages int64, accounts int) ledger.Quota {
	return ledger.Quota{Key: "smtp mx.example.org:25 leo", Limits: []ledger.Limit{{Amount: ledger.Amount{Messages: messages}, Per: time.Hour}}, Accounts: accounts}
}

// sends has the lease count a message of so many octets.
func sends(t *testing.T, l ledger.Lease, q ledger.Quota, uid string, octets int64) error {
	t.Helper()
	r := in(ledger.Sending, uid)
	err := l.PutWithin(t.Context(), q, octets, r)
	if (err == nil) != (r.ID != 0) {
		t.Errorf("%s: error %v, and ID %d", uid, err, r.ID)
	}
	return err
}

func testQuota(t *testing.T, k Kind) {
	f := setup(t, k)
	q := perHour(2, 1)
	q.Limits = append(q.Limits, ledger.Limit{Amount: ledger.Amount{Octets: 1000}, Per: 24 * time.Hour})
	must(t, sends(t, f.lease, q, "1", 600))
	wantError(t, "more octets than are left", sends(t, f.lease, q, "2", 401), ledger.ErrQuotaTooSmall)
	must(t, sends(t, f.lease, q, "3", 400))
	wantError(t, "nothing is left", sends(t, f.lease, q, "4", 1), ledger.ErrQuotaUsedUp)
	other := q
	other.Key = "another server"
	must(t, sends(t, f.lease, other, "5", 1))
	used, err := f.lease.Usage(f, q)
	must(t, err)
	sum := ledger.Amount{Messages: 2, Octets: 1000}
	equal(t, "Usage", used, []ledger.Usage{{All: sum, Own: sum}, {All: sum, Own: sum}})
	equal(t, "rows", len(f.known(t)), 3)

	again := f.record(t, f.known(t)[0].ID)
	again.State = ledger.Deferred
	f.put(t, again)
	again.State = ledger.Sending
	wantError(t, "a known message", f.lease.PutWithin(f, q, 1, again), ledger.ErrQuotaUsedUp)
	equal(t, "its row", f.record(t, again.ID).State, ledger.Deferred)
}

// later opens the ledger with a clock that is so much later.
func (f *fixture) later(t *testing.T, k Kind, d time.Duration) ledger.Lease {
	t.Helper()
	must(t, f.lease.Release())
	s, err := k.Open(f, f.address, func() time.Time { return epoch.Add(d) })
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	f.lease = take(t, s, f.account.ID)
	return f.lease
}

func testQuotaRolls(t *testing.T, k Kind) {
	f := setup(t, k)
	q := perHour(1, 1)
	must(t, sends(t, f.lease, q, "1", 1))
	for _, d := range []time.Duration{time.Minute, time.Hour - time.Millisecond} {
		wantError(t, fmt.Sprint("after ", d), sends(t, f.later(t, k, d), q, "2", 1), ledger.ErrQuotaUsedUp)
	}
	must(t, sends(t, f.later(t, k, time.Hour+ledger.Minute), q, "2", 1))
	used, err := f.lease.Usage(f, q)
	must(t, err)
	equal(t, "messages of the last hour", used[0].All.Messages, int64(1))
}

func testQuotaShares(t *testing.T, k Kind) {
	f := setup(t, k)
	two := claim(t, f.store, f.account.Identity, ledger.Identity{Name: "two", Username: "mia", Host: "pop.example.net"})[1]
	other := take(t, f.store, two.ID)
	q := perHour(20, 4)
	n := 0
	for ; sends(t, f.lease, q, fmt.Sprint(n), 1) == nil; n++ {
	}
	equal(t, "what one account may send", n, 15)
	for n = 0; sends(t, other, q, fmt.Sprint(n), 1) == nil; n++ {
	}
	equal(t, "what is left for another one", n, 5)
	used, err := other.Usage(f, q)
	must(t, err)
	equal(t, "Usage", used, []ledger.Usage{{All: ledger.Amount{Messages: 20, Octets: 20}, Own: ledger.Amount{Messages: 5, Octets: 5}}})
}

func testQuotaAtOnce(t *testing.T, k Kind) {
	f := setup(t, k)
	const accounts, most = 5, 12
	ids := []ledger.Identity{f.account.Identity}
	for i := range accounts {
		ids = append(ids, ledger.Identity{Name: fmt.Sprint("account ", i), Username: "leo", Host: fmt.Sprint("pop", i, ".example.net")})
	}
	q := perHour(most, 1)
	var sent atomic.Int64
	var all sync.WaitGroup
	for _, a := range claim(t, f.store, ids...)[1:] {
		l := take(t, f.store, a.ID)
		for i := range 4 {
			all.Go(func() {
				err := l.PutWithin(f, q, 1, in(ledger.Sending, fmt.Sprint(i)))
				switch {
				case err == nil:
					sent.Add(1)
				case !errors.Is(err, ledger.ErrQuotaUsedUp):
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	equal(t, "messages", sent.Load(), int64(most))
}

func testQuotaClock(t *testing.T, k Kind) {
	f := setup(t, k)
	q := perHour(1, 1)
	const ahead = 400 * 24 * time.Hour
	must(t, sends(t, f.later(t, k, ahead), q, "1", 1))
	l := f.later(t, k, 0)
	wantError(t, "once the clock is right", sends(t, l, q, "2", 1), ledger.ErrQuotaUsedUp)
	used, err := l.Usage(f, q)
	must(t, err)
	equal(t, "Usage", used[0].All.Messages, int64(1))
	must(t, sends(t, f.later(t, k, time.Hour+ledger.Minute), q, "2", 1))
}

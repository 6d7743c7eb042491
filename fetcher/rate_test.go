package fetcher_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// hourly gives the destination a rate.
func (f *fixture) hourly(most ledger.Amount) {
	f.account.Destination.Quota = ledger.Quota{Key: "smtp.example.org leo", Limits: []ledger.Limit{{Amount: most, Per: time.Hour}}, Accounts: 1}
}

// What the rate does not admit is not even fetched. It is shown, waits, and nothing of
// it has failed.
func TestRateBoundsWhatIsSentInAnHour(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"kept": true, "deleted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pool: oneConnection})
			f.account.Policy.Keep = keep
			f.hourly(ledger.Amount{Messages: 3})
			f.add(numbered(5)...)
			left := func(n int) int {
				if keep {
					return 5
				}
				return n
			}
			r := f.poll()
			wantResult(t, r, result{Counts: counts{Forwarded: 3}, Postponed: 2, OnServer: left(2)})
			if r.TryAgain() {
				t.Error("something is to be tried again, want that nothing failed")
			}
			f.wantSent("RETR", 3)
			f.now.Add(59 * time.Minute)
			wantResult(t, f.poll(), result{Postponed: 2, OnServer: left(2)})
			f.now.Add(2 * time.Minute)
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2}, OnServer: left(0)})
			f.wantArrivedInOrder("m5", "m4", "m3", "m1", "m2")
		})
	}
}

// A backlog does not keep new mail waiting.
func TestRateSendsNewMailFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pool: oneConnection})
	f.hourly(ledger.Amount{Messages: 4})
	f.add(numbered(30)...)
	f.poll()
	f.wantArrivedInOrder("m30", "m29", "m28", "m27")
	f.add("new")
	f.now.Add(61 * time.Minute)
	f.poll()
	f.wantArrivedInOrder("m30", "m29", "m28", "m27", "new", "m26", "m25", "m24")
	for range 8 {
		f.now.Add(61 * time.Minute)
		f.poll()
	}
	f.wantArrived(append(numbered(30), "new")...)
}

// A message for which too little is left waits, and smaller ones go on.
func TestRateInOctets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.hourly(ledger.Amount{Octets: 3000})
	large := dated("large", fmt.Sprintf("X: %01500d\r\n", 1))
	f.add("m1")
	f.addUnder("large 1", large)
	f.addUnder("large 2", dated("other", fmt.Sprintf("X: %01500d\r\n", 2)))
	f.add("m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}, Postponed: 1, OnServer: 4})
	f.wantArrived("m1", "m2", "other")
	f.now.Add(61 * time.Minute)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 4})
}

// A large message that fits the rate does not fit beside the new mail of each hour. It
// comes all the same: the newer messages wait for it once they have passed it for long
// enough, and not for longer than the rate needs.
func TestRateStarvesNoLargeMessage(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]*hiding{"messages": nil, "at a server that hides": {says: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pool: oneConnection, hides: hides})
			f.hourly(ledger.Amount{Octets: 3000})
			f.add("first")
			f.pollBySchedule()
			f.addUnder("large", dated("large", fmt.Sprintf("X: %02300d\r\n", 1)))
			want := []string{"first", "large"}
			for i := range 6 * 8 { // eight hours
				if i%2 == 0 {
					name := fmt.Sprintf("s%03d", i)
					f.add(name)
					want = append(want, name)
				}
				if r := f.pollBySchedule(); r.TryAgain() {
					t.Errorf("a poll came to %s, want that nothing failed", inWords(r))
				}
				f.now.Add(10 * time.Minute)
			}
			for range 2 {
				f.now.Add(time.Hour)
				f.pollBySchedule()
			}
			f.wantArrived(want...)
			order := f.arrived()
			if at := slices.Index(order, "large"); at < 6 || at > 12 {
				t.Errorf("the large message arrived as number %d, want that the new mail of two hours came first, and not that of five: %v", at+1, order)
			}
			if since := f.accountRow().Server.PassedSince; !since.IsZero() {
				t.Errorf("a message waits since %v, want none", since)
			}
		})
	}
}

// An attempt counts also if the destination did not accept the message.
func TestRateCountsWhatWasRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451))})
	f.hourly(ledger.Amount{Messages: 2})
	f.add("m1", "m2", "m3")
	wantResult(t, f.poll(), result{Counts: counts{Deferred: 2}, Postponed: 1, OnServer: 3})
	f.now.Add(10 * time.Minute)
	wantResult(t, f.poll(), result{Postponed: 3, OnServer: 3})
}

// rivals are leases of a ledger in which others use up the rate: it takes so many
// messages more than were sent when the poll began.
type rivals struct {
	fetcher.Lease
	left *atomic.Int32
}

func (r rivals) PutWithin(ctx context.Context, q ledger.Quota, octets int64, rec *ledger.Record) error {
	if r.left.Add(-1) < 0 {
		return ledger.ErrQuotaUsedUp
	}
	return r.Lease.PutWithin(ctx, q, octets, rec)
}

// Another account, or another process, uses the rate up after the messages were
// fetched: they are not sent, nothing is marked, and nothing is lost.
func TestRateThatOthersUseUpMeanwhile(t *testing.T) {
	t.Parallel()
	for name, hides := range map[string]bool{"": false, "at a server that hides": true} {
		for _, keep := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " kept ", keep), func(t *testing.T) {
				t.Parallel()
				var server *hiding
				if hides {
					server = new(hiding)
				}
				f := newFixture(t, faults{hides: server, pool: oneConnection})
				f.account.Policy.Keep = keep
				f.account.Source.Hides = hides
				f.hourly(ledger.Amount{Messages: 100})
				var left atomic.Int32
				left.Store(2)
				f.lease = func(l fetcher.Lease) fetcher.Lease { return rivals{l, &left} }
				f.add(numbered(6)...)
				r := f.poll()
				if r.Err != nil || r.Forwarded != 2 || r.Postponed != 4 || r.TryAgain() {
					t.Errorf("got %s, want 2 forwarded, 4 postponed, and nothing that failed", inWords(r))
				}
				for range 3 {
					left.Store(100)
					f.now.Add(time.Hour)
					f.poll()
				}
				f.wantArrived(numbered(6)...)
				f.wantAll("forwarded")
				f.wantCopies(0)
			})
		}
	}
}

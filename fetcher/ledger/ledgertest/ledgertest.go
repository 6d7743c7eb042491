// Package ledgertest holds what every store of the ledger must do, as tests:
// each kind of store runs the same ones. Some start processes that fight for
// a lease or are killed in the middle of a write; those are the test binary
// once more, so TestMain has to ask IsChild first.
package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Store is what is tested. The contract of each method is with
// ledger/sqlite's.
type Store interface {
	Claim(context.Context, []ledger.Identity) ([]ledger.Account, error)
	Accounts(context.Context) ([]ledger.Account, error)
	Lease(ctx context.Context, account int64) (Lease, error)

	Messages(ctx context.Context, f ledger.Filter, yield func(account string, r *ledger.Record) error) error
	Counts(context.Context) (map[int64]map[ledger.State]int, error)
	Days(ctx context.Context, since time.Time) ([]ledger.Day, error)
	Prune(ctx context.Context, before time.Time) (int, error)

	Destination(ctx context.Context, name string) (ledger.Destination, error)
	Destinations(context.Context) ([]ledger.Destination, error)
	PutDestination(context.Context, ledger.Destination) error
	Notices(context.Context) ([]ledger.Notice, error)
	PutNotices(context.Context, ...ledger.Notice) error

	Ping(context.Context) error
	Close() error
}

// Lease is the right to change the rows of one account.
type Lease interface {
	Account(context.Context) (ledger.Account, error)
	PutAccount(context.Context, ledger.Account) error
	Known(context.Context) ([]ledger.Known, error)
	Record(ctx context.Context, id int64) (*ledger.Record, error)
	Put(context.Context, ...*ledger.Record) error
	Drop(ctx context.Context, ids ...int64) error
	Deleted(ctx context.Context, at time.Time, ids ...int64) error
	SetMissing(ctx context.Context, since time.Time, ids []int64) error
	Rename(context.Context, ledger.Identity) error
	Forget(context.Context) (messages int, err error)
	Release() error
}

// Kind is a kind of store under test.
type Kind struct {
	// New returns the address of a new, empty ledger that is gone after the test.
	New func(t testing.TB) (address string)
	// Open opens the ledger at an address, with a clock; nil for time.Now.
	Open func(ctx context.Context, address string, now func() time.Time) (Store, error)
}

// Run runs all tests.
func (k Kind) Run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Kind)
	}{
		{"records come back as they were put", testRoundTrip},
		{"UIDs are octets", testUIDs},
		{"generations", testGenerations},
		{"put replaces all", testReplace},
		{"put is all or nothing", testAllOrNothing},
		{"put under the wrong lease", testWrongAccount},
		{"deleted", testDeleted},
		{"drop", testDrop},
		{"missing", testSetMissing},
		{"claim", testClaim},
		{"accounts come back as they were put", testAccount},
		{"rename", testRename},
		{"forget", testForget},
		{"a lease is held once", testLease},
		{"sending becomes unknown under the lease only", testInterrupted},
		{"messages by filter", testMessages},
		{"counts and days", testCounts},
		{"prune", testPrune},
		{"destinations", testDestinations},
		{"notices", testNotices},
		{"a context that has ended changes nothing", testContext},
		{"many goroutines", testGoroutines},
		{"processes that fight for a lease", testFight},
		{"the lease of a killed process is free", testKilledHolder},
		{"what was put survives kill -9", testKilledWriter},
		{"processes that open a new ledger at once", testOpenAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, k)
		})
	}
}

// Package ledgertest tests what every store of the ledger must do: each kind of
// store runs the same tests. Some of them start processes that compete for a
// lease or are killed during a write. Those run the test binary again, so
// TestMain has to check IsChild first.
package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Kind is a kind of store under test.
type Kind struct {
	// New returns the address of a new, empty ledger that is gone after the test.
	New func(t testing.TB) (address string)
	// Open opens the ledger at an address, with a clock; nil for time.Now.
	Open func(ctx context.Context, address string, now func() time.Time) (ledger.Store, error)
}

// Run runs all tests.
func (k Kind) Run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Kind)
	}{
		{"records come back as they were put", testRoundTrip},
		{"UIDs are octets", testUIDs},
		{"Copies are the messages that have one", testCopies},
		{"Marked are the messages in doubt", testMarked},
		{"generations of a UID are separate rows", testGenerations},
		{"Put replaces all fields", testReplace},
		{"Put is all or nothing", testAllOrNothing},
		{"another account's lease changes nothing", testWrongAccount},
		{"Deleted takes forwarded messages only", testDeleted},
		{"Drop takes sending messages only", testDrop},
		{"Settle ends an intent", testSettle},
		{"SetMissing can be undone", testSetMissing},
		{"Claim keeps the rows of known mailboxes", testClaim},
		{"Claim marks the UIDs of an edited mailbox", testClaimMoved},
		{"Claim passes names on", testClaimNames},
		{"Claim leaves alone what another configuration polls", testClaimOfOthers},
		{"accounts come back as they were put", testAccount},
		{"Rename keeps the rows", testRename},
		{"Forget removes one account only", testForget},
		{"a lease is held once", testLease},
		{"sending becomes unknown with the next lease", testInterrupted},
		{"sending becomes held the third time in a row", testInterruptedAgain},
		{"Messages obeys its filter", testMessages},
		{"Counts and Days count each change of state once", testCounts},
		{"Prune removes only what left its server long ago", testPrune},
		{"Prune needs the evidence of two listings", testPruneEvidence},
		{"routes keep failures and successes", testRoutes},
		{"a quota counts what is about to be sent", testQuota},
		{"a quota is of a rolling time", testQuotaRolls},
		{"a quota leaves others their share", testQuotaShares},
		{"a quota holds for all leases together", testQuotaAtOnce},
		{"a quota outlives a clock that was ahead", testQuotaClock},
		{"notices come back as they were put", testNotices},
		{"sign-ins come back as they were put", testTokens},
		{"all of a ledger can be moved to another one", testMove},
		{"the lease of a sign-in is held once", testTokenLease},
		{"one process at a time renews a sign-in", testTokenProcesses},
		{"renewals survive kill -9", testTokenKilled},
		{"an ended context changes nothing", testContext},
		{"a failed Put does not fail others", testGoroutines},
		{"one process at a time has the lease", testOneHolder},
		{"the lease of a killed process is free", testKilledHolder},
		{"records survive kill -9", testKilledWriter},
		{"many processes can create one ledger", testOpenAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, k)
		})
	}
}

package report

import (
	"context"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// Rows are what a ledger knows of accounts and destinations.
type Rows struct {
	accounts     map[string]ledger.Account // by name
	counts       map[int64]map[ledger.State]int
	destinations map[string]ledger.Destination // by name
}

// ReadRows reads a ledger's rows. A nil store has none.
func ReadRows(ctx context.Context, store *sqlite.Store) (r Rows, err error) {
	if store == nil {
		return r, nil
	}
	accounts, err := store.Accounts(ctx)
	if err != nil {
		return r, err
	}
	r.accounts = make(map[string]ledger.Account, len(accounts))
	for _, a := range accounts {
		r.accounts[a.Name] = a
	}
	if r.counts, err = store.Counts(ctx); err != nil {
		return r, err
	}
	destinations, err := store.Destinations(ctx)
	r.destinations = make(map[string]ledger.Destination, len(destinations))
	for _, d := range destinations {
		r.destinations[d.Name] = d
	}
	return r, err
}

// account returns the row of an account. While its destination backs off, the
// account is not polled: the row then has the destination's time and cause.
func (r Rows) account(c config.Account) ledger.Account {
	a, d := r.accounts[c.Name], r.destinations[c.Forward]
	if d.Failures == 0 {
		return a
	}
	if d.NotBefore.After(a.NotBefore) {
		a.NotBefore = d.NotBefore
	}
	if a.Cause == (ledger.Cause{}) {
		a.Cause = d.Cause
	}
	return a
}

// nextPoll returns when an account is polled next, back-offs included.
func nextPoll(a ledger.Account) time.Time {
	if a.NotBefore.After(a.NextPoll) {
		return a.NotBefore
	}
	return a.NextPoll
}

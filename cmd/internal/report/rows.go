package report

import (
	"context"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Rows are what a ledger knows of accounts and destinations.
type Rows struct {
	accounts map[string]ledger.Account // by name
	counts   map[int64]map[ledger.State]int
	routes   []ledger.Route
}

// ReadRows reads a ledger's rows. A nil store has none.
func ReadRows(ctx context.Context, store ledger.Store) (r Rows, err error) {
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
	r.routes, err = store.Routes(ctx)
	return r, err
}

// account returns the row of an account. While its destination or its recipients
// there back off, the account is not polled: the row then has their time and
// cause.
func (r Rows) account(c config.Account) ledger.Account {
	a, to := r.accounts[c.Name], fetcher.Destination{Name: c.Forward, Server: c.Endpoint, Recipients: c.Recipients()}
	for _, route := range r.routes {
		if route.Failures == 0 || !to.Uses(route.RouteKey) {
			continue
		}
		if route.NotBefore.After(a.NotBefore) {
			a.NotBefore = route.NotBefore
		}
		if a.Cause == (ledger.Cause{}) {
			a.Cause = route.Cause
		}
	}
	return a
}

// destination returns what is remembered of a destination as a whole.
func (r Rows) destination(d config.Destination) (route ledger.Route) {
	i := slices.IndexFunc(r.routes, func(route ledger.Route) bool {
		return route.RouteKey == ledger.RouteKey{Destination: d.Name, Server: d.Endpoint()}
	})
	if i >= 0 {
		route = r.routes[i]
	}
	return route
}

// nextPoll returns when an account is polled next, back-offs included. Where that is not
// planned, a popferry that is running polls it now, or when its schedule says so after
// its last poll.
func nextPoll(c config.Account, a ledger.Account, running bool, now time.Time) time.Time {
	if a.NotBefore.After(a.NextPoll) {
		return a.NotBefore
	}
	if !a.NextPoll.IsZero() || !running || !c.Enabled {
		return a.NextPoll
	}
	rule, err := schedule.NewRule(c.Name, c.Schedule)
	if err != nil {
		return time.Time{}
	}
	if at, due := (fetcher.Due{After: rule.After}).At(a.Planned, "", now); !due {
		return at
	}
	return now
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
)

// leaseRetry is how often a lease is asked for while a poll has it.
const leaseRetry = 100 * time.Millisecond

// Account is one account of a ledger.
type Account struct {
	ledger.Account // as it was when it was opened
	store          ledger.Store
}

// Wait is how WithLease waits for a poll of the account to end.
type Wait struct {
	Limit time.Duration        // 0: not at all
	Began func(account string) // called once if it has to wait; nil: nothing is
}

// Open finds the account of that name. The error is an *app.UsageError if the
// ledger has none.
func Open(ctx context.Context, store ledger.Store, name string) (*Account, error) {
	accounts, err := store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range accounts {
		if a.Name == name {
			return &Account{a, store}, nil
		}
		names = append(names, a.Name)
	}
	return nil, &app.UsageError{Err: fmt.Errorf("the ledger has no account %q; it has: %s", name, strings.Join(names, ", "))}
}

// Messages returns the account's messages that pass a filter.
func (a *Account) Messages(ctx context.Context, f ledger.Filter) (all []*ledger.Record, err error) {
	f.Account = a.Name
	err = a.store.Messages(ctx, f, func(_ string, r *ledger.Record) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

// Count returns how many messages the ledger has of the account.
func (a *Account) Count(ctx context.Context) (messages int, err error) {
	counts, err := a.store.Counts(ctx)
	for _, n := range counts[a.ID] {
		messages += n
	}
	return messages, err
}

// ConfiguredIn returns the account of the configuration that has this mailbox,
// whatever its name there. The error is an *app.ConfigError.
func (a *Account) ConfiguredIn(cfg *config.Config) (config.Account, error) {
	for _, c := range cfg.Accounts {
		switch claimed := ledger.Claim([]ledger.Account{a.Account}, []ledger.Identity{app.Identity(c)}, time.Now())[0]; {
		case claimed.ID != a.ID:
		case claimed.Moved:
			return config.Account{}, &app.ConfigError{Err: fmt.Errorf("%s now has %s at %s for account %s, which was %s at %s when it was last polled: "+
				"run popferry run --once first, which finds out whether it is the same mailbox", cfg.Path, c.Username, c.Host, c.Name, a.Username, a.Host)}
		default:
			return c, nil
		}
	}
	return config.Account{}, &app.ConfigError{Err: fmt.Errorf("%s has no account for %s at %s, so popferry does not know how to log in there", cfg.Path, a.Username, a.Host)}
}

// Leased is an account that no poll can touch until its lease is released.
type Leased struct {
	*Account
	lease ledger.Lease
}

// WithLease calls do while it holds the account's lease: no poll is in the
// mailbox or in the account's rows, nor can begin. If a poll holds it for longer
// than the wait's limit, the error wraps ledger.ErrLeased.
func (a *Account) WithLease(ctx context.Context, w Wait, do func(*Leased) error) (err error) {
	lease, err := a.takeLease(ctx, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lease.Release()) }()
	return do(&Leased{a, lease})
}

func (a *Account) takeLease(ctx context.Context, w Wait) (ledger.Lease, error) {
	lease, err := a.store.Lease(ctx, a.ID)
	if !errors.Is(err, ledger.ErrLeased) {
		return lease, err
	}
	if w.Limit > 0 && w.Began != nil {
		w.Began(a.Name)
	}
	timeout := time.After(w.Limit)
	tick := time.NewTicker(leaseRetry)
	defer tick.Stop()
	for errors.Is(err, ledger.ErrLeased) {
		select {
		case <-tick.C:
			lease, err = a.store.Lease(ctx, a.ID)
		case <-timeout:
			return nil, fmt.Errorf("%s: %w; nothing was changed: try again when that poll has ended, or wait longer, for example with --wait 10m", a.Name, err)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return lease, err
}

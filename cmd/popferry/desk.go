package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

const (
	// defaultWait is longer than most polls take.
	defaultWait = 30 * time.Second
	// leaseRetry is how often a lease is asked for while a poll has it.
	leaseRetry = 100 * time.Millisecond
)

// desk is where a person settles one account: the ledger, opened at it.
type desk struct {
	*program
	cfg     *config.Config
	store   *sqlite.Store
	account ledger.Account
	lease   *sqlite.Lease // nil but within underLease
}

// withWait gives a command the flag for how long to wait for a lease.
func withWait(c *cobra.Command, wait *time.Duration) *cobra.Command {
	c.Flags().DurationVar(wait, "wait", defaultWait, "how long to wait for the end of a poll that is under way")
	return c
}

// atDesk opens the ledger at an account, by the name that it has there.
func (p *program) atDesk(ctx context.Context, cfg *config.Config, name string, do func(*desk) error) (err error) {
	store, err := readLedger(ctx, cfg)
	if err != nil {
		return err
	}
	if store == nil {
		return fmt.Errorf("there is no ledger yet at %s: nothing was ever polled", cfg.State)
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the ledger: %w", cerr)
		}
	}()
	account, err := findAccount(ctx, store, name)
	if err != nil {
		return err
	}
	return do(&desk{program: p, cfg: cfg, store: store, account: account})
}

// findAccount is the ledger's account of that name.
func findAccount(ctx context.Context, store *sqlite.Store, name string) (ledger.Account, error) {
	accounts, err := store.Accounts(ctx)
	if err != nil {
		return ledger.Account{}, err
	}
	names := make([]string, len(accounts))
	for i, a := range accounts {
		if a.Name == name {
			return a, nil
		}
		names[i] = a.Name
	}
	return ledger.Account{}, &app.UsageError{Err: fmt.Errorf("the ledger has no account %q; it knows: %s", name, strings.Join(names, ", "))}
}

// underLease does something while no poll is in the account's mailbox or rows,
// nor can begin. It waits so long for the end of one.
func (d *desk) underLease(ctx context.Context, wait time.Duration, do func() error) (err error) {
	if d.lease, err = d.takeLease(ctx, wait); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, d.lease.Release())
		d.lease = nil
	}()
	return do()
}

// takeLease takes the account's lease, now or after a while, else it is an
// error that wraps ledger.ErrLeased.
func (d *desk) takeLease(ctx context.Context, wait time.Duration) (*sqlite.Lease, error) {
	lease, err := d.store.Lease(ctx, d.account.ID)
	if !errors.Is(err, ledger.ErrLeased) {
		return lease, err
	}
	if wait > 0 {
		_, _ = fmt.Fprintf(d.stderr, "popferry: %s: it is being polled; waiting for the end of that, %s at most\n", d.account.Name, wait)
	}
	limit := time.After(wait)
	tick := time.NewTicker(leaseRetry)
	defer tick.Stop()
	for errors.Is(err, ledger.ErrLeased) {
		select {
		case <-tick.C:
			lease, err = d.store.Lease(ctx, d.account.ID)
		case <-limit:
			return nil, fmt.Errorf("%s: %w; nothing was changed: try again when that poll has ended, or wait longer, as with --wait 10m", d.account.Name, err)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return lease, err
}

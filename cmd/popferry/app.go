package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/progress"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/spool"
)

// instance is one configuration, wired up: its accounts, its destinations and the
// poller between them. The ledger outlives it.
type instance struct {
	cfg      *config.Config
	accounts map[string]fetcher.Account // the enabled ones
	pools    map[string]*sharedPool
	shared   *pools
	poller   *fetcher.Poller
	metrics  *web.Metrics // nil: nothing is counted
	board    *progress.Tracker
	asked    *wishes  // nil: nobody can ask
	polling  sync.Map // names of accounts that are being polled
}

// appOptions are what an app is told by the command that runs it.
type appOptions struct {
	Log      *slog.Logger
	Stopping <-chan struct{}
	Next     func(account string) time.Time // nil: nothing is planned
	Metrics  *web.Metrics                   // nil: nothing is counted
	Asked    *wishes                        // nil: nobody can ask
	Wiring   wiring
}

// openLedger opens the configuration's ledger.
func openLedger(ctx context.Context, cfg *config.Config) (*sqlite.Store, error) {
	store, err := sqlite.Open(ctx, cfg.State, sqlite.Options{Create: cfg.StateCreate})
	if err == nil {
		return store, nil
	}
	explained := cause.Explain("state", err)
	if errors.Is(err, ledger.ErrMissing) || errors.Is(err, ledger.ErrNetworkFS) {
		return nil, &app.ConfigError{Err: explained}
	}
	return nil, explained
}

// newApp wires a configuration to the ledger.
func newApp(ctx context.Context, cfg *config.Config, store *sqlite.Store, o appOptions) (*instance, error) {
	a := &instance{
		cfg: cfg, accounts: make(map[string]fetcher.Account), pools: make(map[string]*sharedPool), shared: o.Wiring.pools,
		metrics: o.Metrics, board: o.Wiring.board, asked: o.Asked,
	}
	if err := a.wire(ctx, store, o.Wiring); err != nil {
		a.close()
		return nil, err
	}
	a.poller = fetcher.New(fetcher.Options{
		Lease: func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		Destinations: store,
		Spool:        spool.New(cfg.Spool.Dir, cfg.Spool.Memory),
		CopyDir:      keptDir(cfg),
		Describe:     cause.Describe,
		Log:          o.Log,
		Stopping:     o.Stopping,
		Next:         o.Next,
	})
	return a, nil
}

// wire makes what the accounts need: the folder for temporary files, the
// sessions with the destinations, and their rows in the ledger.
func (a *instance) wire(ctx context.Context, store *sqlite.Store, w wiring) error {
	if err := spoolDir(a.cfg.Spool.Dir); err != nil {
		return err
	}
	for _, d := range a.cfg.Forward {
		pool, err := w.pool(d, a.cfg.Accounts)
		if err != nil {
			return &app.ConfigError{Err: fmt.Errorf("%s:%d: forward[%s]: %w", d.File, d.Line, d.Name, err)}
		}
		a.pools[d.Name] = pool
	}
	return a.claim(ctx, store, w)
}

// claim finds the ledger's rows of every configured account, also of those
// that are not to be polled now: else another account could take them over.
func (a *instance) claim(ctx context.Context, store *sqlite.Store, w wiring) error {
	rows, err := claimAll(ctx, store, identities(a.cfg))
	if err != nil {
		return err
	}
	for i, c := range a.cfg.Accounts {
		if !c.Enabled {
			continue
		}
		acc, err := w.account(c)
		if err != nil {
			return &app.ConfigError{Err: fmt.Errorf("%s:%d: accounts[%s]: %w", c.File, c.Line, c.Name, err)}
		}
		acc.ID, acc.Destination = rows[i].ID, a.newDestination(c)
		a.accounts[c.Name] = acc
	}
	return nil
}

// identities are the configured accounts as the ledger knows them.
func identities(cfg *config.Config) []ledger.Identity {
	ids := make([]ledger.Identity, len(cfg.Accounts))
	for i, c := range cfg.Accounts {
		ids[i] = ledger.Identity{Name: c.Name, Username: c.Username, Host: c.Host}
	}
	return ids
}

// claimAll finds or makes the ledger's accounts of these identities.
func claimAll(ctx context.Context, store *sqlite.Store, ids []ledger.Identity) ([]ledger.Account, error) {
	rows, err := store.Claim(ctx, ids)
	if errors.Is(err, ledger.ErrIdentity) {
		return nil, &app.ConfigError{Err: err}
	}
	if err != nil {
		return nil, cause.Explain("state", err)
	}
	return rows, nil
}

// memory is how long the ledger remembers messages that were deleted on their
// servers. Those that are still there are never forgotten.
const memory = 90 * 24 * time.Hour

// prune forgets what is old enough. That it fails is no reason to stop.
func prune(ctx context.Context, store *sqlite.Store, log *slog.Logger) {
	n, err := store.Prune(ctx, time.Now().Add(-memory))
	if err != nil {
		log.Warn("old rows could not be removed from the ledger", "error", err)
	}
	if n > 0 {
		log.Info("forgot messages that were deleted long ago", "messages", n)
	}
}

// keptDir is the folder beside the ledger for messages that their server gives
// only once.
func keptDir(cfg *config.Config) string { return cfg.State + ".kept" }

// spoolDir makes the folder for temporary files.
func spoolDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &app.ConfigError{Err: cause.Explain("spool.dir", err)}
	}
	return nil
}

// poll polls one account by name.
func (a *instance) poll(ctx context.Context, name string, asked bool) fetcher.Result {
	var who []chan<- fetcher.Result
	wanted := false
	if a.asked != nil {
		who, wanted = a.asked.take(name)
	}
	a.polling.Store(name, true)
	defer a.polling.Delete(name)
	acc := a.accounts[name]
	var ended func()
	acc.Progress, ended = a.board.Start(name)
	defer ended()
	res := a.poller.Poll(ctx, acc, asked || wanted)
	switch {
	case wanted && errors.Is(res.Err, fetcher.ErrStopped):
		a.asked.add(name, who...) // the next service polls it
	case wanted && res.Skip == fetcher.Leased:
		a.asked.add(name) // it is polled once it is free, but who knows when
		tell(who, res)
	default:
		tell(who, res)
	}
	if a.metrics != nil {
		a.metrics.Poll(res)
	}
	return res
}

// busy are the names of the accounts that are being polled.
func (a *instance) busy() (names []string) {
	a.polling.Range(func(name, _ any) bool {
		names = append(names, name.(string))
		return true
	})
	slices.Sort(names)
	return names
}

// close ends the sessions with the destinations.
func (a *instance) close() {
	var all sync.WaitGroup
	for _, p := range a.pools {
		all.Go(func() { a.shared.leave(p) })
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		all.Wait()
	}()
	select {
	case <-closed:
	case <-time.After(farewell):
	}
}

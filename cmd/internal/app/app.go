package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/progress"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/spool"
)

// App is one configuration, wired up: its accounts, its destinations and the
// poller between them. The ledger outlives it.
type App struct {
	cfg      *config.Config
	accounts map[string]fetcher.Account // the enabled ones
	names    map[int64]string           // of these, by ID
	pools    map[string]*sharedPool     // by destination
	shared   *Pools
	poller   *fetcher.Poller
	metrics  *web.Metrics // nil: nothing is counted
	tracker  *progress.Tracker
	store    ledger.Store
	log      *slog.Logger
	now      func() time.Time // the ledger's time
	stopping <-chan struct{}
	reach    *Reach

	mu      sync.Mutex
	agenda  agenda                    // empty: accounts are due whenever they are polled
	yielded map[string]fetcher.Result // by account, until the poll goes on
}

// Options are what the caller decides about an App.
type Options struct {
	Resources Resources
	Log       *slog.Logger
	Stopping  <-chan struct{} // closed: polls end in an orderly way
	Scheduled bool            // accounts are polled only when they are due
	Resumed   map[string]bool // those of them that were disabled until now
	Metrics   *web.Metrics    // nil: nothing is counted
}

// New wires a configuration to its ledger. Close it at the end.
func New(ctx context.Context, cfg *config.Config, store ledger.Store, o Options) (*App, error) {
	a := &App{
		cfg: cfg, accounts: make(map[string]fetcher.Account), names: make(map[int64]string), pools: make(map[string]*sharedPool), shared: o.Resources.Pools,
		metrics: o.Metrics, tracker: o.Resources.Tracker, store: store, log: o.Log, stopping: o.Stopping, reach: o.Resources.Reach, now: func() time.Time { return ledger.Now(store) }, yielded: make(map[string]fetcher.Result),
	}
	if o.Scheduled {
		a.agenda = newAgenda()
	}
	if o.Resources.Tokens != nil {
		useTokens(cfg, store, o.Resources.Tokens)
	}
	if err := a.wire(ctx, o.Resources); err != nil {
		a.Close()
		return nil, err
	}
	a.agenda.resume(o.Resumed, a.now())
	shared := watchShared(store, o.Log)
	a.poller = fetcher.New(fetcher.Options{
		Lease: func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		Routes:   store,
		Spool:    spool.New(cfg.Spool.Dir, cfg.Spool.Memory),
		CopyDir:  copies.Dir(cfg),
		Describe: cause.Describe,
		Log:      o.Log,
		Stopping: o.Stopping,
		Own:      a.isOwn,
		Now:      a.now,
		ClockOff: shared.clockOff,
	})
	return a, nil
}

// wire makes what the poller needs: the folder for temporary files, the pools of
// the destinations, and the accounts with their rows in the ledger. Rows of
// disabled accounts are claimed too, or another account could take them over.
func (a *App) wire(ctx context.Context, r Resources) error {
	if err := os.MkdirAll(a.cfg.Spool.Dir, 0o700); err != nil {
		return &ConfigError{Err: cause.Explain("spool.dir", err)}
	}
	for _, d := range a.cfg.Forward {
		known, err := a.store.Route(ctx, routeOf(d))
		if err != nil {
			return err
		}
		pool, err := r.pool(d, a.cfg.Accounts, known.Facts, newSlots(a.store, d))
		if err != nil {
			return &ConfigError{Err: fmt.Errorf("%s:%d: forward[%s]: %w", d.File, d.Line, d.Name, err)}
		}
		a.pools[d.Name] = pool
	}
	rows, err := Claim(ctx, a.store, Identities(a.cfg))
	if err != nil {
		return err
	}
	waiting, err := failing(ctx, a.store, a.now())
	if err != nil {
		return err
	}
	for i, c := range a.cfg.Accounts {
		if !c.Enabled {
			continue
		}
		acc, err := r.Account(c)
		if err != nil {
			return &ConfigError{Err: fmt.Errorf("%s:%d: accounts[%s]: %w", c.File, c.Line, c.Name, err)}
		}
		acc.ID, acc.Mailbox, acc.Destination, acc.Multidrop = rows[i].ID, rows[i].Identity, a.newDestination(c), newSorter(c.Multidrop)
		acc.Room = a.room(c)
		if d, ok := a.cfg.Destination(c.Forward); ok {
			acc.Filter = r.Filter(c, d)
		}
		a.accounts[c.Name], a.names[acc.ID] = acc, c.Name
		if a.agenda.rules == nil {
			continue
		}
		if err := a.agenda.plan(acc, c.Schedule, rows[i], waiting, a.now()); err != nil {
			return &ConfigError{Err: fmt.Errorf("%s:%d: accounts[%s]: %w", c.File, c.Line, c.Name, err)}
		}
	}
	return nil
}

// Config returns the configuration.
func (a *App) Config() *config.Config { return a.cfg }

// Names returns the names of the enabled accounts, in the order of the
// configuration.
func (a *App) Names() []string {
	var names []string
	for _, j := range a.Jobs() {
		names = append(names, j.Name)
	}
	return names
}

// Polls reports whether an account is configured and enabled.
func (a *App) Polls(account string) bool {
	_, ok := a.accounts[account]
	return ok
}

// AccountName returns the name of an enabled account by its ID in the ledger; "" if
// there is none.
func (a *App) AccountName(id int64) string { return a.names[id] }

// IDs returns those of enabled accounts in the ledger.
func (a *App) IDs(accounts []string) (ids []int64) {
	for _, name := range accounts {
		ids = append(ids, a.accounts[name].ID)
	}
	return ids
}

// Jobs returns the enabled accounts as package schedule wants them, in the order
// of the configuration.
func (a *App) Jobs() []schedule.Job {
	var jobs []schedule.Job
	for _, c := range a.cfg.Accounts {
		if a.Polls(c.Name) {
			jobs = append(jobs, schedule.Job{Name: c.Name, Host: c.Host, Schedule: c.Schedule, Began: a.agenda.began[c.Name], Look: a.agenda.look[c.Name]})
		}
	}
	return jobs
}

// Now is the time, by the clock that the ledger goes by.
func (a *App) Now() time.Time { return a.now() }

// Poll polls an enabled account if it is due. Requested means that a user asked for
// it: neither that nor back-offs count then. A poll that yields to other accounts is Unfinished;
// the next one goes on, and its result is that of both.
func (a *App) Poll(ctx context.Context, name string, requested bool, turn schedule.Turn) (fetcher.Result, schedule.End) {
	due := a.due(name)
	if shared, ok := a.store.(ledger.Shared); ok && requested { // who comes first answers it
		due.Request, requested = &request{Requests: shared, open: ledger.Request{Account: a.accounts[name].ID}}, false
	}
	return a.poll(ctx, name, requested, turn, due)
}

func (a *App) poll(ctx context.Context, name string, requested bool, turn schedule.Turn, due fetcher.Due) (fetcher.Result, schedule.End) {
	if a.reach.Sick() != nil {
		return fetcher.Result{Account: name, OnServer: -1, Skip: fetcher.Sick}, schedule.NotBegun
	}
	acc := a.accounts[name]
	acc.Due = due
	var done func()
	acc.Progress, done = a.tracker.Start(name)
	defer done()
	acc.Turn = fetcher.Turn(turn)
	res := a.poller.Poll(ctx, acc, requested)
	a.reached(ctx, name, res.OnServer >= 0, res.Forwarded > 0)
	if a.metrics != nil && res.Skip != fetcher.NotDue && res.Skip != fetcher.Crowded {
		a.metrics.Poll(res)
	}
	if err := a.pools[acc.Destination.Name].keepFacts(ctx, a.store); err != nil {
		a.log.Warn("cannot write what was learnt of a destination", "forward", acc.Destination.Name, "error", err)
	}
	end := schedule.Finished
	switch {
	case errors.Is(res.Err, fetcher.ErrYielded):
		end = schedule.Unfinished
	case res.Skip == fetcher.Crowded && !a.stops():
		end = schedule.Crowded
	case res.Skip != fetcher.NotSkipped:
		end = schedule.NotBegun
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !res.Began.IsZero() {
		delete(a.agenda.changed, name)
	}
	if earlier, ok := a.yielded[name]; ok {
		res = res.After(earlier)
	}
	delete(a.yielded, name)
	if end == schedule.Unfinished || end == schedule.Crowded {
		a.yielded[name] = res
	}
	return res, end
}

// stops reports whether polls are being ended.
func (a *App) stops() bool {
	select {
	case <-a.stopping:
		return true
	default:
		return false
	}
}

// PollAll polls all enabled accounts at once, within the limits of the
// configuration. The results are in the order of the configuration.
func (a *App) PollAll(ctx context.Context, requested bool) []fetcher.Result {
	jobs, since := a.Jobs(), a.now()
	results := make(map[string]fetcher.Result, len(jobs))
	a.pollJobs(ctx, jobs, results, requested, fetcher.Due{})
	a.pollLeased(ctx, results, requested, since)
	var inOrder []fetcher.Result
	for _, j := range jobs {
		if res, ok := results[j.Name]; ok { // not after a panic, which is logged
			inOrder = append(inOrder, res)
		}
	}
	return inOrder
}

// pollJobs polls accounts at once, and notes the results.
func (a *App) pollJobs(ctx context.Context, jobs []schedule.Job, results map[string]fetcher.Result, requested bool, due fetcher.Due) {
	var mu sync.Mutex
	schedule.Each(jobs, a.cfg.Concurrency, a.cfg.PerHost, func(name string, turn schedule.Turn) schedule.End {
		res, end := a.poll(ctx, name, requested, turn, due)
		mu.Lock()
		defer mu.Unlock()
		results[name] = res
		return end
	})
}

// ShutdownTimeout is how long a destination may take to answer QUIT, and the
// HTTP server to finish its answers. Nothing depends on either, and container
// managers kill a process ten seconds after the signal to stop.
const ShutdownTimeout = time.Second

// Close ends the sessions with the destinations.
func (a *App) Close() {
	var all sync.WaitGroup
	for _, p := range a.pools {
		all.Go(func() { a.shared.release(p) })
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		all.Wait()
	}()
	select {
	case <-closed:
	case <-time.After(ShutdownTimeout):
	}
}

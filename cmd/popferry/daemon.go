package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/sdnotify"
	"github.com/popferry/popferry/cmd/internal/watch"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// watchEvery is how often the files of the configuration are looked at.
const watchEvery = 2 * time.Second

// daemon is what outlives a configuration.
type daemon struct {
	*program
	store   *sqlite.Store
	log     *slog.Logger
	names   []string // of the accounts, from the command line
	stop    *stopper
	files   *watch.Watcher
	manager sdnotify.Notifier
	page    *front
	now     atomic.Pointer[service] // the configuration at work
	old     sync.WaitGroup          // services that are being stopped
}

// daemon polls on schedule until it is stopped. A new configuration takes over
// from the old one as a restart would, but that the ledger stays open: polls
// finish what they have begun, and the new schedule takes up the rest.
func (p *program) daemon(ctx context.Context, cfg *config.Config, store *sqlite.Store, log *slog.Logger, names []string) error {
	d := &daemon{program: p, store: store, log: log, names: names, stop: watchStop(ctx), manager: sdnotify.FromEnv(), page: newFront(store, p.wiring, log)}
	defer d.stop.end()
	defer d.page.close()
	d.files = watch.New(watch.Set{Files: cfg.Files, Patterns: cfg.Patterns})
	s, err := startService(d.stop.ctx, cfg, store, log, d.page)
	if err != nil {
		return err
	}
	d.now.Store(s)
	log.Info("started", "version", buildVersion(), "accounts", len(s.app.accounts), "config", cfg.Path, "state", cfg.State)
	defer d.startControl(cfg)()
	return d.serve()
}

// serve does what signals and files ask for, until the end.
func (d *daemon) serve() error {
	defer d.aside(d.watchdog)()
	defer d.aside(d.news)()
	reload, endReload := notify(reloadSignals)
	defer endReload()
	pollNow, endPoll := notify(pollSignals)
	defer endPoll()
	changed := make(chan struct{}, 1)
	defer d.aside(func(ctx context.Context) { d.files.Every(ctx, watchEvery, changed) })()
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	d.ready()
	for {
		select {
		case <-daily.C:
			prune(d.stop.ctx, d.store, d.log)
		case <-d.stop.stopping:
			d.log.Info("stopping: transactions in flight are finished, as far as that takes seconds; a second signal stops at once")
			d.tell(d.manager.Stopping)
			d.now.Load().stop()
			d.old.Wait()
			d.log.Info("stopped")
			return nil
		case <-d.stop.ctx.Done():
			d.now.Load().stop()
			d.old.Wait()
			return context.Cause(d.stop.ctx)
		case <-pollNow:
			d.log.Info("polling all accounts now")
			d.now.Load().sched.Queue()
		case <-reload:
			d.reload()
		case <-changed:
			d.log.Info("the configuration's files have changed")
			d.reload()
		}
	}
}

// notify returns a channel for these signals, and what ends it.
func notify(sigs []os.Signal) (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	if len(sigs) > 0 { // none would mean all of them
		signal.Notify(c, sigs...)
	}
	return c, func() { signal.Stop(c) }
}

// reload goes over to the configuration as it is now. If that cannot be used,
// the old one goes on.
func (d *daemon) reload() {
	d.tell(d.manager.Reloading)
	defer d.ready()
	old := d.now.Load()
	cfg, err := d.loadAgain(old.app.cfg)
	if err != nil {
		d.log.Error("the new configuration is not used, the old one goes on", "error", err)
		return
	}
	ended, busy := d.retire(old)
	if d.stop.begun() {
		return
	}
	defer d.takeUp(ended, busy)
	next, err := startService(d.stop.ctx, cfg, d.store, d.log, d.page)
	if err == nil {
		d.log.Info("configuration read again", "accounts", len(next.app.accounts))
		d.now.Store(next)
		return
	}
	d.log.Error("the new configuration is not used, the old one goes on", "error", err)
	if next, err = startService(d.stop.ctx, old.app.cfg, d.store, d.log, d.page); err != nil {
		d.log.Error("the old configuration cannot be used any more either; it is read again when it changes, or on HUP", "error", err)
		return // what is stopped stays
	}
	d.now.Store(next)
}

// patience is how long a new configuration waits for what is in flight under the
// old one: most transactions are through by then, and a destination that has
// stalled must not hold up all others.
const patience = 5 * time.Second

// retire stops a service, and waits for its end, but not for long: what is still
// in flight then goes on beside the next one, and busy are the accounts that it
// belongs to. None is polled by both, for each has one lease.
func (d *daemon) retire(old *service) (ended <-chan struct{}, busy []string) {
	end := make(chan struct{})
	d.old.Go(func() {
		defer close(end)
		old.stop()
	})
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-end:
	case <-limit.C:
		busy = old.app.busy()
		d.log.Warn("some transactions of the old configuration are not at their end; they go on beside the new one", "accounts", busy)
	}
	return end, busy
}

// takeUp has accounts polled that an old service was busy with, once that has
// ended: the new one has found them leased.
func (d *daemon) takeUp(ended <-chan struct{}, busy []string) {
	if len(busy) == 0 {
		return
	}
	d.old.Go(func() {
		<-ended
		d.now.Load().sched.Queue(busy...)
	})
}

// loadAgain reads the configuration that is to follow an old one. Whatever
// comes of it, the files that it was read from are those to look at now.
func (d *daemon) loadAgain(old *config.Config) (*config.Config, error) {
	d.files.Mark()
	cfg, err := d.load()
	var wrong *config.Errors
	switch {
	case errors.As(err, &wrong):
		d.files.Use(watch.Set{Files: slices.Concat(old.Files, wrong.Files), Patterns: slices.Concat(old.Patterns, wrong.Patterns)})
		return nil, err
	case err != nil:
		return nil, err
	}
	d.files.Use(watch.Set{Files: cfg.Files, Patterns: cfg.Patterns})
	if err := choose(cfg, d.names); err != nil {
		return nil, err
	}
	if cfg.State != old.State {
		return nil, fmt.Errorf("state has changed from %s to %s, which takes a restart", old.State, cfg.State)
	}
	return cfg, nil
}

// aside does something beside the rest, until the function that it returns is
// called.
func (d *daemon) aside(do func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(d.stop.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

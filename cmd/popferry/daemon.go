package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/sdnotify"
	"github.com/popferry/popferry/cmd/internal/watch"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

const (
	// watchEvery is how often the files of the configuration are looked at.
	watchEvery = 2 * time.Second
	// startAgain is after how long it is tried again to start where no
	// configuration could be used any more: a disk that was full has room again.
	startAgain = 15 * time.Second
)

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
	now     atomic.Pointer[service] // the configuration at work; stopped where none could be started
	old     sync.WaitGroup          // services that are being stopped
}

// daemon polls on schedule until it is stopped. A new configuration takes over
// from the old one as a restart would, but that the ledger stays open: polls
// finish what they have begun, and the new schedule takes up the rest.
func (p *program) daemon(ctx context.Context, cfg *config.Config, store *sqlite.Store, names []string) error {
	log := p.logging.logger()
	d := &daemon{program: p, store: store, log: log, names: names, stop: watchStop(ctx), manager: sdnotify.FromEnv(), page: newFront(store, p.wiring, log)}
	defer d.stop.end()
	defer d.page.close()
	d.files = watch.New(watch.Set{Files: cfg.Files, Patterns: cfg.Patterns})
	if err := d.start(cfg); err != nil {
		return err
	}
	log.Info("started", "version", buildVersion(), "accounts", len(d.now.Load().app.accounts), "config", cfg.Path, "state", cfg.State)
	defer d.startControl(cfg)()
	return d.serve()
}

// serve does what signals and files ask for, until the end.
func (d *daemon) serve() error {
	defer d.aside(d.watchdog)()
	defer d.aside(d.news)()
	changed := make(chan struct{}, 1)
	defer d.aside(func(ctx context.Context) { d.files.Run(ctx, watchEvery, changed) })()
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	again := time.NewTicker(startAgain)
	defer again.Stop()
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
		case <-d.signals.pollNow:
			d.pollAll()
		case <-d.signals.reload:
			d.reload()
		case <-again.C:
			if d.now.Load().stopped() {
				d.reload()
			}
		case <-changed:
			d.log.Info("the configuration's files have changed")
			d.reload()
		}
	}
}

// pollAll is what USR1 asks for, as popferry poll does.
func (d *daemon) pollAll() {
	d.log.Info("polling all accounts now")
	if _, _, err := d.page.ask(); err != nil {
		d.log.Warn("nothing can be polled now", "error", err)
	}
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

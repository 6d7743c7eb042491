package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/watch"
)

// reload goes over to the configuration as it is now. If that cannot be used,
// the old one goes on.
func (d *daemon) reload() {
	d.tell(d.manager.Reloading)
	defer d.ready()
	old := d.now.Load()
	cfg, err := d.loadAgain(old.app.cfg)
	if err == nil {
		ended, busy := d.retire(old)
		if d.stop.begun() {
			return
		}
		defer d.takeUp(ended, busy)
		if err = d.start(cfg); err == nil {
			d.adopt(old.app.cfg, cfg)
			d.log.Info("configuration read again", "accounts", len(d.now.Load().app.accounts))
			return
		}
	}
	d.log.Error("the new configuration is not used, the old one goes on", "error", err)
	if !old.stopped() {
		return
	}
	if err = d.start(old.app.cfg); err != nil {
		d.log.Error("the old configuration cannot be used any more either, and nothing is polled; it is tried again", "error", err, "after", startAgain)
		d.page.show(nil)
	}
}

// start goes over to a configuration.
func (d *daemon) start(cfg *config.Config) error {
	s, err := startService(d.stop.ctx, cfg, d.store, d.log, d.page)
	if err == nil {
		d.now.Store(s)
	}
	return err
}

// adopt is for what of a configuration is of no service: the log, and what a
// person is to know. What stays as it was until a restart is named.
func (d *daemon) adopt(old, cfg *config.Config) {
	d.logging.use(cfg.Log)
	d.wiring.tracing.use(cfg.Log)
	for _, w := range cfg.Warnings {
		if !slices.Contains(old.Warnings, w) {
			d.log.Warn("the new configuration has a weakness", "what", w)
		}
	}
	if cfg.StateCreate != old.StateCreate {
		d.log.Warn("state_create has changed, which takes a restart to count: the ledger is open already", "state_create", cfg.StateCreate)
	}
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
		return nil, fmt.Errorf("state has changed from %s to %s, which takes a restart: stop popferry and start it again, or set state back", old.State, cfg.State)
	}
	return cfg, nil
}

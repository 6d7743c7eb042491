package daemon

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/watch"
	"github.com/popferry/popferry/fetcher/ledger"
)

// reload replaces the configuration by the one that the files have now. If that
// cannot be used, the old one goes on.
func (d *daemon) reload() {
	d.systemd.reloading()
	defer d.ready()
	old, oldCfg := d.running(), d.config()
	cfg, err := d.loadAgain(oldCfg)
	if err != nil {
		d.Log.Error("the new configuration cannot be used, the old one goes on", "error", err)
		if old == nil {
			d.startOld(oldCfg)
		}
		return
	}
	ended, busy := d.stopOld(old)
	if d.stop.Begun() {
		return
	}
	defer d.requeue(ended, busy)
	d.reloadAgain = false
	if err := d.start(cfg); err != nil {
		d.reloadAgain = errors.Is(err, ledger.ErrLeased) // nobody says when that ends
		d.Log.Error("the new configuration cannot be used, the old one goes on", "error", err)
		d.startOld(oldCfg)
		return
	}
	d.applySettings(oldCfg, cfg)
	for _, w := range app.CopyWarnings(d.stop.Context, d.Store, cfg, d.selected.some) {
		d.Log.Warn("mail that only popferry has is not sent", "what", w)
	}
	d.Log.Info("configuration read again", "accounts", d.accounts())
}

// startOld starts the configuration again that was stopped for another one.
func (d *daemon) startOld(cfg *config.Config) {
	if err := d.start(cfg); err != nil {
		d.Log.Error("the old configuration cannot be used any more either, so nothing is polled; popferry will try again", "error", err, "after", restartInterval)
		d.setCurrent(nil)
	}
}

// loadAgain reads the configuration that is to replace the old one. In any case,
// the files that it was read from are those that are watched from now on.
func (d *daemon) loadAgain(old *config.Config) (*config.Config, error) {
	d.files.Mark()
	cfg, err := d.Load()
	var wrong *config.Errors
	switch {
	case errors.As(err, &wrong):
		d.files.Use(watch.Set{Files: slices.Concat(old.Files, wrong.Files), Patterns: slices.Concat(old.Patterns, wrong.Patterns)})
		return nil, err
	case err != nil:
		return nil, err
	}
	d.files.Use(watch.Set{Files: cfg.Files, Patterns: cfg.Patterns})
	if err := d.selected.apply(cfg); err != nil {
		return nil, err
	}
	if cfg.State != old.State {
		return nil, fmt.Errorf("state has changed from %s to %s; set it back, or restart popferry to apply it", old.State, cfg.State)
	}
	return cfg, nil
}

// reloadPatience is how long a new configuration waits for transactions in
// flight under the old one. Most are through by then, and a destination that has
// stalled must not hold up the others.
const reloadPatience = 5 * time.Second

// stopOld stops a generation and waits for its end, but not for long. What is
// still in flight then goes on in the background, and busy are the accounts that
// it belongs to. The next generation cannot poll these: they are leased.
func (d *daemon) stopOld(old *generation) (ended <-chan struct{}, busy []string) {
	end := make(chan struct{})
	d.background.Go(func() {
		defer close(end)
		old.stop()
	})
	limit := time.NewTimer(reloadPatience)
	defer limit.Stop()
	select {
	case <-end:
	case <-limit.C:
		busy = old.busy()
		d.Log.Warn("some transactions of the old configuration have not ended; they go on in the background", "accounts", busy)
	}
	return end, busy
}

// requeue polls the accounts that an old generation was busy with when that has
// ended: the new generation has found them leased.
func (d *daemon) requeue(ended <-chan struct{}, busy []string) {
	if len(busy) == 0 {
		return
	}
	d.background.Go(func() {
		<-ended
		if g := d.running(); g != nil {
			g.sched.Queue(busy...)
		}
	})
}

// applySettings takes over what is not part of a generation: the log's level,
// and what the user has to know. It names what takes a restart.
func (d *daemon) applySettings(old, cfg *config.Config) {
	d.Log.Apply(cfg.Log)
	for _, w := range cfg.Warnings {
		if !slices.Contains(old.Warnings, w) {
			d.Log.Warn("configuration warning", "what", w)
		}
	}
	if cfg.StateCreate != old.StateCreate {
		d.Log.Warn("state_create changed; restart to apply", "state_create", cfg.StateCreate)
	}
	if cfg.Shared != nil && old.Shared != nil && cfg.Shared.TokenKeyFile != old.Shared.TokenKeyFile {
		d.Log.Warn("token_key_file changed; restart to apply", "token_key_file", cfg.Shared.TokenKeyFile)
	}
	if cfg.Log.Format != old.Log.Format {
		d.Log.Warn("log.format changed; restart to apply", "format", cfg.Log.Format)
	}
}

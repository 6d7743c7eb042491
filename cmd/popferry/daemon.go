package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// daemon polls on schedule until it is stopped. A new configuration takes over
// from the old one as a restart would, but that the ledger stays open: polls
// finish what they have begun, and the new schedule takes up the rest.
func (p *program) daemon(ctx context.Context, cfg *config.Config, store *sqlite.Store, log *slog.Logger, names []string) error {
	stop := watchStop(ctx)
	defer stop.end()
	reload, endReload := notify(reloadSignals)
	defer endReload()
	pollNow, endPoll := notify(pollSignals)
	defer endPoll()

	page := newFront(store, log)
	defer page.close()
	s, err := startService(stop.ctx, cfg, store, log, page)
	if err != nil {
		return err
	}
	log.Info("started", "version", buildVersion(), "accounts", len(s.app.accounts), "config", cfg.Path, "state", cfg.State)
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	for {
		select {
		case <-daily.C:
			prune(stop.ctx, store, log)
		case <-stop.stopping:
			log.Info("stopping: transactions in flight are finished; a second signal stops at once")
			s.stop()
			log.Info("stopped")
			return nil
		case <-stop.ctx.Done():
			s.stop()
			return context.Cause(stop.ctx)
		case <-pollNow:
			log.Info("polling all accounts now")
			s.sched.Queue()
		case <-reload:
			if next := p.reload(stop.ctx, s, store, log, names, page); next != nil {
				s = next
			}
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

// reload replaces a service by one with the configuration as it is now. If
// that cannot be used, the old one goes on.
func (p *program) reload(ctx context.Context, old *service, store *sqlite.Store, log *slog.Logger, names []string, page *front) *service {
	cfg, err := p.load()
	if err == nil {
		err = choose(cfg, names)
	}
	if err == nil && cfg.State != old.app.cfg.State {
		err = fmt.Errorf("state has changed from %s to %s, which takes a restart", old.app.cfg.State, cfg.State)
	}
	if err != nil {
		log.Error("the new configuration is not used, the old one goes on", "error", err)
		return nil
	}
	old.stop()
	next, err := startService(ctx, cfg, store, log, page)
	if err == nil {
		log.Info("configuration read again", "accounts", len(next.app.accounts))
		return next
	}
	log.Error("the new configuration is not used, the old one goes on", "error", err)
	if next, err = startService(ctx, old.app.cfg, store, log, page); err != nil {
		log.Error("the old configuration cannot be used any more either; send HUP once it is mended", "error", err)
		return old // stopped; it takes another HUP
	}
	return next
}

// service is one configuration at work.
type service struct {
	app      *app
	sched    *schedule.Scheduler
	stopping chan struct{}
	once     sync.Once
}

func startService(ctx context.Context, cfg *config.Config, store *sqlite.Store, log *slog.Logger, page *front) (*service, error) {
	if err := page.listen(ctx, cfg); err != nil {
		return nil, err
	}
	s := &service{stopping: make(chan struct{})}
	var err error
	s.app, err = newApp(ctx, cfg, store, appOptions{Log: log, Stopping: s.stopping, Next: s.next, Metrics: page.metrics})
	if err != nil {
		return nil, err
	}
	s.sched, err = schedule.New(schedule.Options{
		Jobs:        s.app.jobs(),
		Concurrency: cfg.Concurrency,
		PerHost:     cfg.PerHost,
		Run: func(ctx context.Context, name string) {
			report(log.With("account", name), s.app.poll(ctx, name, false))
		},
	})
	if err != nil {
		s.app.close()
		return nil, err
	}
	s.sched.Start(ctx)
	page.show(s)
	return s, nil
}

// next is when an account is polled next.
func (s *service) next(name string) time.Time { return s.sched.Next(name) }

// stop ends the polls in an orderly way and waits for them. A second call does
// nothing.
func (s *service) stop() {
	s.once.Do(func() {
		close(s.stopping)
		s.sched.Stop()
		s.app.close()
	})
}

// report logs a poll in one line.
func report(log *slog.Logger, res fetcher.Result) {
	switch {
	case res.Err != nil:
		c := cause.Of(res.Err)
		level := slog.LevelError
		if c.Code == "stopped" {
			level = slog.LevelInfo
		}
		log.Log(context.Background(), level, "poll ended early", "outcome", c.Code, "what", c.What, "error", res.Err, "remedy", c.Remedy,
			"forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred)
	case res.Rest == fetcher.Leased:
		log.Info("not polled: another popferry is polling it now")
	case res.Rest != fetcher.Polled:
		log.Info("not polled: it waits after a failure, or for its interval", "until", res.Until)
	default:
		log.Info("polled", "outcome", "ok", "forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred, "skipped", res.Skipped,
			"on_server", res.OnServer, "duration", res.Duration.Round(time.Millisecond))
	}
}

package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// service is one configuration at work.
type service struct {
	app      *instance
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
	s.app, err = newApp(ctx, cfg, store, appOptions{Log: log, Stopping: s.stopping, Next: s.next, Metrics: page.metrics, Asked: &page.asked, Wiring: page.wiring})
	if err != nil {
		return nil, err
	}
	s.sched, err = schedule.New(schedule.Options{
		Jobs:        s.app.jobs(),
		Concurrency: cfg.Concurrency,
		PerHost:     cfg.PerHost,
		Log:         log,
		Run: func(ctx context.Context, name string) {
			logPoll(log.With("account", name), s.app.poll(ctx, name, false))
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

// stopped tells whether it was told to stop.
func (s *service) stopped() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// logPoll logs a poll in one line.
func logPoll(log *slog.Logger, res fetcher.Result) {
	switch {
	case res.Err != nil:
		c := cause.Of(res.Err)
		level := slog.LevelError
		if c.Code == "stopped" {
			level = slog.LevelInfo
		}
		log.Log(context.Background(), level, "poll ended early", "outcome", c.Code, "what", c.What, "error", res.Err, "remedy", c.Remedy,
			"forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred)
	case res.Skip == fetcher.Leased:
		log.Info("not polled: another popferry is polling it now")
	case res.Skip != fetcher.NotSkipped:
		log.Info("not polled: it waits after a failure, or for its interval", "until", res.Until)
	default:
		log.Info("polled", "outcome", "ok", "forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred, "skipped", res.Skipped,
			"on_server", res.OnServer, "duration", res.Duration.Round(time.Millisecond))
	}
}

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// generation is one configuration at work. A nil one does nothing.
type generation struct {
	app      *app.App
	sched    *schedule.Scheduler
	stopping chan struct{}
	once     sync.Once
	polling  sync.Map // names of the accounts that are being polled
}

// start sets a configuration to work. The old generation must have been stopped.
func (d *daemon) start(cfg *config.Config) error {
	if err := d.http.relisten(d.stop.Context, cfg); err != nil {
		return err
	}
	g, err := d.newGeneration(cfg)
	if err != nil {
		return err
	}
	d.view.Configure(cfg)
	app.Expect(d.http.metrics, cfg)
	d.setCurrent(g) // first: a request that comes now is queued
	g.sched.Start(d.stop.Context)
	if asked := d.requests.names(); len(asked) > 0 {
		g.sched.Queue(asked...)
	}
	return nil
}

// disabled are the accounts that were disabled in the last configuration.
func (d *daemon) disabled() map[string]bool {
	names := make(map[string]bool)
	if cfg := d.config(); cfg != nil {
		for _, a := range cfg.Accounts {
			if !a.Enabled {
				names[a.Name] = true
			}
		}
	}
	return names
}

func (d *daemon) newGeneration(cfg *config.Config) (*generation, error) {
	g := &generation{stopping: make(chan struct{})}
	var err error
	g.app, err = app.New(d.stop.Context, cfg, d.Store, app.Options{
		Resources: d.Resources, Log: d.Log.Logger, Stopping: g.stopping, Scheduled: true, Resumed: d.disabled(), Metrics: d.http.metrics,
	})
	if err != nil {
		return nil, err
	}
	g.sched, err = schedule.New(schedule.Options{
		Jobs:        g.app.Jobs(),
		Concurrency: cfg.Concurrency,
		PerHost:     cfg.PerHost,
		Clock:       g.app.Now,
		Log:         d.Log.Logger,
		Run: func(ctx context.Context, name string, turn schedule.Turn) schedule.End {
			return d.poll(ctx, g, name, turn)
		},
	})
	if err != nil {
		g.app.Close()
		return nil, err
	}
	return g, nil
}

// poll polls an account, because it is due or because it was requested.
func (d *daemon) poll(ctx context.Context, g *generation, name string, turn schedule.Turn) schedule.End {
	waiting, requested := d.requests.take(name)
	g.polling.Store(name, true)
	defer g.polling.Delete(name)
	res, end := g.app.Poll(ctx, name, requested, turn)
	switch {
	case requested && (end == schedule.Unfinished || end == schedule.Crowded):
		d.requests.add(name, waiting...) // the rest is requested, too
	case requested && errors.Is(res.Err, fetcher.ErrStopped):
		d.requests.add(name, waiting...) // the next generation polls it
	case requested && res.Skip == fetcher.Leased:
		d.requests.add(name) // it is polled when the lease is free, but nobody knows when
		reply(waiting, res)
	default:
		reply(waiting, res)
	}
	if errors.Is(res.Err, fetcher.ErrStopped) && d.stop.Begun() {
		d.handOver(g, name)
	}
	g.replan(name, res)
	logPoll(d.Log.With("account", name), res)
	return end
}

// lookAgain is after how long an account is looked at again that could not be polled
// for a reason that ends nobody knows when: another process has it, or the ledger
// cannot be used.
const lookAgain = 30 * time.Second

// replan plans the next poll of an account by the result of this one.
func (g *generation) replan(name string, res fetcher.Result) {
	switch {
	case !res.Began.IsZero():
		g.sched.Began(name, res.Began)
	case res.Skip == fetcher.Leased, res.Skip == fetcher.Sick, errors.Is(res.Err, ledger.ErrUnavailable), errors.Is(res.Err, ledger.ErrLost):
		g.sched.Again(name, lookAgain)
	case res.Skip == fetcher.TooSoon:
		g.sched.Again(name, res.Until.Sub(g.app.Now()))
	}
}

// busy returns the names of the accounts that are being polled.
func (g *generation) busy() (names []string) {
	g.polling.Range(func(name, _ any) bool {
		names = append(names, name.(string))
		return true
	})
	slices.Sort(names)
	return names
}

// stop ends the polls in an orderly way and waits for them. A second call waits
// for the first.
func (g *generation) stop() {
	if g == nil {
		return
	}
	g.once.Do(func() {
		close(g.stopping)
		g.sched.Stop()
		g.app.Close()
	})
}

// stopped reports whether stop was called.
func (g *generation) stopped() bool {
	select {
	case <-g.stopping:
		return true
	default:
		return false
	}
}

// logPoll logs a poll in one line.
func logPoll(log *slog.Logger, res fetcher.Result) {
	switch {
	case errors.Is(res.Err, fetcher.ErrYielded) && res.Skip == fetcher.NotSkipped:
		log.Info("other accounts are waiting; the poll goes on at the account's next turn", "forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred)
	case res.Err != nil:
		c := cause.Of(res.Err)
		level := slog.LevelError
		if c.Code == "stopped" {
			level = slog.LevelInfo
		}
		log.Log(context.Background(), level, "poll ended early", "outcome", c.Code, "what", c.What, "error", res.Err, "remedy", c.Remedy,
			"forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred)
	case res.Skip == fetcher.Sick:
		log.Debug("not polled: this popferry cannot connect to servers")
	case res.Skip == fetcher.Crowded:
		log.Debug("not polled: other popferrys have all sessions with its server or its destination that there may be")
	case res.Skip == fetcher.NotDue:
		log.Debug("not polled: another popferry has polled it meanwhile", "until", res.Until)
	case res.Skip == fetcher.Leased:
		log.Info("not polled: another popferry is polling it now")
	case res.Skip == fetcher.BackingOff:
		log.Info("not polled: it or its destination failed before", "until", res.Until)
	case res.Skip == fetcher.TooSoon:
		log.Info("not polled: min_interval or the server's LOGIN-DELAY has not passed", "until", res.Until)
	default:
		log.Info("polled", "outcome", "ok", "forwarded", res.Forwarded, "held", res.Held, "deferred", res.Deferred, "skipped", res.Skipped,
			"on_server", res.OnServer, "duration", res.Duration.Round(time.Millisecond))
	}
}

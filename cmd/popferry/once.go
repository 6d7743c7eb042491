package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// once polls each account once. Its summary goes to stdout, a line an account
// in the order of the configuration; what failed goes to stderr in a line that
// says what to do.
func (p *program) once(ctx context.Context, cfg *config.Config, store *sqlite.Store, log *slog.Logger, f runFlags) error {
	stop := watchStop(ctx)
	defer stop.end()
	metrics := newMetrics(cfg, store, f.metricsFile)
	a, err := newApp(stop.ctx, cfg, store, appOptions{Log: log, Stopping: stop.stopping, Metrics: metrics, Wiring: p.wiring})
	if err != nil {
		return err
	}
	defer a.close()
	results := a.pollAll(stop.ctx, f.now)
	p.wiring.board.Stop() // what follows is not to come between bars
	if !stop.begun() {
		a.tellNews(stop.ctx, store, log)
	}
	again := false
	var inOrder []fetcher.Result
	for _, c := range cfg.Accounts {
		res, ok := results[c.Name]
		if !ok {
			continue
		}
		again = again || res.TryAgain()
		inOrder = append(inOrder, res)
		if line := complaint(res); line != "" {
			_, _ = fmt.Fprintln(p.stderr, "popferry: "+line)
		}
	}
	if err := printSummaries(p.stdout, inOrder, f.json); err != nil {
		return err
	}
	if metrics != nil {
		if err := web.WriteTextfile(metrics, f.metricsFile); err != nil {
			return cause.Explain("metrics-file", err)
		}
	}
	if again {
		return &app.TryAgainError{}
	}
	return nil
}

// newMetrics are the counters for a metrics file; nil for none.
func newMetrics(cfg *config.Config, store *sqlite.Store, file string) *web.Metrics {
	if file == "" {
		return nil
	}
	view := &ledgerView{store: store}
	view.configure(cfg)
	m := web.NewMetrics(buildVersion(), view)
	m.Expect(namesOf(cfg))
	return m
}

// pollAll polls all accounts side by side, within the limits of the
// configuration.
func (a *instance) pollAll(ctx context.Context, asked bool) map[string]fetcher.Result {
	var mu sync.Mutex
	results := make(map[string]fetcher.Result, len(a.accounts))
	schedule.Each(a.jobs(), a.cfg.Concurrency, a.cfg.PerHost, func(name string) {
		res := a.poll(ctx, name, asked)
		mu.Lock()
		defer mu.Unlock()
		results[name] = res
	})
	return results
}

// jobs are the accounts as the schedule sees them.
func (a *instance) jobs() []schedule.Job {
	var jobs []schedule.Job
	for _, c := range a.cfg.Accounts {
		if _, ok := a.accounts[c.Name]; ok {
			jobs = append(jobs, schedule.Job{Name: c.Name, Host: c.Host, Schedule: c.Schedule})
		}
	}
	return jobs
}

// complaint is what a person should read about a poll, "" if nothing.
func complaint(res fetcher.Result) string {
	switch {
	case res.Err != nil && !errors.Is(res.Err, fetcher.ErrStopped):
		return cause.Line(res.Account, res.Err)
	case res.Err != nil:
		return res.Account + ": stopped before the end of the mailbox; the rest comes with the next poll"
	case res.Notice != nil:
		return cause.Line(res.Account, res.Notice)
	case res.Skip == fetcher.Leased:
		return res.Account + ": another popferry is polling it now; nothing to do"
	case res.Skip == fetcher.BackingOff:
		return fmt.Sprintf("%s: not polled: it or its destination failed before, and it waits until %s; --now polls it all the same, popferry status tells why", res.Account, terminal.Time(res.Until))
	case res.Skip == fetcher.TooSoon:
		return fmt.Sprintf("%s: not polled: min_interval or the server's LOGIN-DELAY ends at %s", res.Account, terminal.Time(res.Until))
	}
	return ""
}

package app

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// agenda is when accounts are due, by their schedules and by the ledger as it was
// when the configuration was wired.
type agenda struct {
	rules   map[string]schedule.Rule // by account; nil: due whenever they are polled
	began   map[string]time.Time     // the last polls
	look    map[string]bool          // those to be looked at soon, due or not
	changed map[string]bool          // those that were last polled with other settings, as far as this process knows
	resumed map[string]time.Time     // until when they were disabled
}

// plan finds out when an account is due. failing are the routes that back off.
func (g *agenda) plan(acc fetcher.Account, expression string, row ledger.Account, failing []ledger.Route, now time.Time) error {
	rule, err := schedule.NewRule(acc.Name, expression)
	if err != nil {
		return err
	}
	g.rules[acc.Name], g.began[acc.Name] = rule, row.Began
	changed := row.Settings != "" && row.Settings != acc.Settings
	g.changed[acc.Name] = changed
	waits := ledger.Waiting(now, row.NotBefore) // something may have been mended
	for _, r := range failing {
		waits = waits || acc.Destination.Uses(r.RouteKey)
	}
	g.look[acc.Name] = changed || waits
	return nil
}

// resume has accounts polled that were disabled until now, as if they were new.
func (g *agenda) resume(names map[string]bool, now time.Time) {
	for name := range g.rules {
		if names[name] {
			g.look[name], g.resumed[name] = true, now
		}
	}
}

func newAgenda() agenda {
	return agenda{rules: make(map[string]schedule.Rule), began: make(map[string]time.Time), look: make(map[string]bool), changed: make(map[string]bool), resumed: make(map[string]time.Time)}
}

// failing returns the routes that back off.
func failing(ctx context.Context, store ledger.Store, now time.Time) (list []ledger.Route, err error) {
	all, err := store.Routes(ctx)
	for _, r := range all {
		if ledger.Waiting(now, r.NotBefore) {
			list = append(list, r)
		}
	}
	return list, err
}

// due says when an account is due, to a poll on schedule.
func (a *App) due(name string) fetcher.Due {
	a.mu.Lock()
	defer a.mu.Unlock()
	rule, ok := a.agenda.rules[name]
	if !ok {
		return fetcher.Due{}
	}
	return fetcher.Due{After: rule.After, Changed: a.agenda.changed[name], Resumed: a.agenda.resumed[name]}
}

// request is the request for an account in a shared ledger.
type request struct {
	ledger.Requests
	open ledger.Request
}

// Open implements fetcher.Request.
func (r *request) Open(ctx context.Context) (bool, error) {
	open, err := r.Requested(ctx, r.open.Account)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	r.open = open
	return err == nil, err
}

// Answered implements fetcher.Request.
func (r *request) Answered(ctx context.Context) error { return r.Requests.Answered(ctx, r.open) }

// leaseLooks are the pauses between the looks of run --once at accounts that another
// process has. The database gives the leases of one that died to others after half a
// minute.
func leaseLooks() []time.Duration {
	const s = time.Second
	return []time.Duration{s, 2 * s, 4 * s, 8 * s, 15 * s}
}

// pollLeased polls those that another process had when they were polled, unless it
// keeps them for longer than half a minute, or has polled them since.
func (a *App) pollLeased(ctx context.Context, results map[string]fetcher.Result, requested bool, since time.Time) {
	due := fetcher.Due{After: func(began time.Time) time.Time {
		if began.Before(since) {
			return began
		}
		return time.Time{}
	}}
	for _, pause := range leaseLooks() {
		var leased []schedule.Job
		for _, j := range a.Jobs() {
			if results[j.Name].Skip == fetcher.Leased {
				leased = append(leased, j)
			}
		}
		if len(leased) == 0 {
			return
		}
		wait := time.NewTimer(pause)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		case <-a.stopping:
			return
		}
		a.pollJobs(ctx, leased, results, requested, due)
	}
}

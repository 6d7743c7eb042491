package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Options are what is checked, and how.
type Options struct {
	Config    *config.Config
	Resources app.Resources
	Ledger    ledger.Store // nil: there is none yet
	UsedOnly  bool         // only the destinations that enabled accounts use
	Send      bool         // send a test message through each destination
	// AccountsOnly leaves out the destinations, and what depends on them.
	AccountsOnly bool
}

// Run tests the destinations and the enabled accounts, and reports each step. ok
// is true if everything works. The error is an *app.ConfigError, or that of the
// ledger or the report.
func Run(ctx context.Context, o Options, out Report) (ok bool, err error) {
	c := checker{o}
	targets, err := c.targets(ctx)
	if err != nil {
		return false, err
	}
	return c.run(ctx, targets, out)
}

type checker struct{ Options }

// target is one server to be tested.
type target struct {
	kind, name, where string
	// try reports each step and returns the error of the last one.
	try func(ctx context.Context, report func(Step)) error
}

// The kinds of targets.
const (
	kindAccount     = "account"
	kindDestination = "destination"
	kindCopies      = "retained"
)

// targets lists what is to be tested. Destinations come first: their size limits
// matter for the messages that wait in the accounts.
func (c *checker) targets(ctx context.Context) ([]target, error) {
	rows, err := c.rows(ctx)
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	for _, a := range c.Config.Accounts {
		used[a.Forward] = used[a.Forward] || a.Enabled
	}
	var list []target
	limits := make(map[string]*sizeLimit)
	for _, d := range c.Config.Forward {
		limits[d.Name] = newSizeLimit()
		if c.AccountsOnly {
			limits[d.Name].set(0)
		}
		if c.AccountsOnly || c.UsedOnly && !used[d.Name] {
			continue
		}
		t, err := c.destination(d, limits[d.Name])
		if err != nil {
			return nil, &app.ConfigError{Err: fmt.Errorf("%s:%d: forward[%s]: %w", d.File, d.Line, d.Name, err)}
		}
		list = append(list, t)
	}
	for i, a := range c.Config.Accounts {
		if !a.Enabled {
			continue
		}
		t, err := c.account(a, rows[i], limits[a.Forward])
		if err != nil {
			return nil, &app.ConfigError{Err: fmt.Errorf("%s:%d: accounts[%s]: %w", a.File, a.Line, a.Name, err)}
		}
		list = append(list, t)
	}
	found, err := copies.Look(ctx, c.Ledger, c.Config)
	if errs := append(found.Errors(), err); !c.UsedOnly && !c.AccountsOnly && errors.Join(errs...) != nil {
		list = append(list, c.copies(errs))
	}
	return list, nil
}

// copies is the target for retained copies that no poll sends.
func (c *checker) copies(errs []error) target {
	return target{kindCopies, "copies", copies.Dir(c.Config), func(_ context.Context, report func(Step)) error {
		for _, err := range errs {
			if err != nil {
				report(NewStep(probe.Step{Name: stepCopies, Err: err, Note: account(err)}, cause.Of(err).Remedy))
			}
		}
		return nil
	}}
}

// account is the name of the account whose copies are stranded; "" for others.
func account(err error) string {
	if s, ok := errors.AsType[*copies.StrandedError](err); ok {
		return s.Account
	}
	return ""
}

// stepCopies is the step of a retained copy that no poll sends.
const stepCopies = "copies"

// rows returns what the ledger has of each configured account. Nothing is
// written for it.
func (c *checker) rows(ctx context.Context) ([]ledger.Account, error) {
	var known []ledger.Account
	if c.Ledger != nil {
		var err error
		if known, err = c.Ledger.Accounts(ctx); err != nil {
			return nil, err
		}
	}
	var rows []ledger.Account
	for _, claimed := range ledger.Claim(known, app.Identities(c.Config), time.Now()) {
		rows = append(rows, claimed.Account)
	}
	return rows, nil
}

// run tests the targets side by side, as many as one host may have sessions, and
// reports them one after the other.
func (c *checker) run(ctx context.Context, targets []target, out Report) (ok bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, max(1, c.Config.PerHost))
	steps := make([]chan Step, len(targets))
	for i := range targets {
		steps[i] = make(chan Step, 100) // room for all steps of a target: none keeps its session waiting
	}
	all.Go(func() {
		for i, t := range targets {
			slots <- struct{}{}
			all.Go(func() {
				t.run(ctx, func(s Step) { steps[i] <- s })
				close(steps[i])
				<-slots
			})
		}
	})
	ok = true
	for i, t := range targets {
		r := &Result{Name: t.name, OK: true, Steps: []Step{}, kind: t.kind, where: t.where}
		out.Begin(r)
		for s := range steps[i] {
			r.add(s)
			out.Step(s)
		}
		ok = ok && r.OK
	}
	return ok, out.End(ok)
}

// stepOther is the step of an error that no other step has reported.
const stepOther = "check"

// run tests a target. If it ends with an error, a step that failed is reported.
func (t target) run(ctx context.Context, report func(Step)) {
	failed := false
	err := t.try(ctx, func(s Step) {
		failed = failed || !s.OK
		report(s)
	})
	if err != nil && !failed {
		report(NewStep(probe.Step{Name: stepOther, Err: err}, cause.Of(err).Remedy))
	}
}

// reporter returns a function that reports the steps of a probe, with advice for
// those that failed.
func (c *checker) reporter(ctx context.Context, s config.Server, p probe.Protocol, report func(Step)) func(probe.Step) {
	return func(st probe.Step) { report(NewStep(st, c.advice(ctx, s, p, st))) }
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// checkFlags are the flags of check.
type checkFlags struct{ json, send bool }

func (p *program) checkCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check [ACCOUNT...]",
		Short: "Try both sides without moving mail, and say what is wrong",
		Long: "Tries each destination and account step by step, all of them or those that are named, and says what is wrong\n" +
			"and what to do. No mail is moved: mailboxes are listed and left as they are, and senders and recipients are\n" +
			"taken back before there is a message. It logs in once to each mailbox, and not before min_interval has passed\n" +
			"since a poll did; its own logins are noted nowhere.\n" +
			"A mailbox that is being polled just then may answer that it is locked.\n\n" +
			"Exit codes: 0 all is well, 75 something is not, 78 configuration, 64 usage, 1 anything else.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			if err := app.Select(cfg, args); err != nil {
				return usage(c, err)
			}
			return p.check(c.Context(), cfg, f, len(args) > 0)
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVar(&f.send, "send", false, "also send one test message by each destination")
	return p.withConfig(c)
}

// check tries what is enabled; of the destinations, where accounts were named,
// only those that these use.
func (p *program) check(ctx context.Context, cfg *config.Config, f checkFlags, named bool) (err error) {
	for _, w := range cfg.Warnings {
		_, _ = fmt.Fprintf(p.stderr, "popferry: warning: %s\n", w)
	}
	store, err := app.ReadLedger(ctx, cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer func() { err = errors.Join(err, store.Close()) }()
	}
	k := checker{cfg: cfg, resources: p.resources, store: store, send: f.send}
	list, err := k.subjects(ctx, named)
	if err != nil {
		return err
	}
	var out checkReport = newCheckText(p.stdout, terminal.Is(p.stdout), os.Getenv)
	if f.json {
		out = &checkJSON{w: p.stdout}
	}
	ok, err := k.run(ctx, list, out)
	if err == nil && !ok {
		err = &app.TryAgainError{}
	}
	return err
}

// checker tries what a configuration names.
type checker struct {
	cfg       *config.Config
	resources app.Resources
	store     *sqlite.Store // nil: there is none yet
	send      bool
}

// subject is one server to be tried.
type subject struct {
	kind, name, where string
	// try tells each step. The error is that of the step that failed.
	try func(ctx context.Context, tell func(checkStep)) error
}

// The kinds of subjects.
const (
	kindAccount     = "account"
	kindDestination = "destination"
)

// subjects lists what is to be tried: destinations first, for their limits
// count for what waits in the accounts.
func (k *checker) subjects(ctx context.Context, named bool) ([]subject, error) {
	rows, err := k.rows(ctx)
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	for _, a := range k.cfg.Accounts {
		used[a.Forward] = used[a.Forward] || a.Enabled
	}
	var list []subject
	limits := make(map[string]*limit)
	for _, d := range k.cfg.Forward {
		if named && !used[d.Name] {
			continue
		}
		limits[d.Name] = newLimit()
		s, err := k.destination(d, limits[d.Name])
		if err != nil {
			return nil, &app.ConfigError{Err: fmt.Errorf("%s:%d: forward[%s]: %w", d.File, d.Line, d.Name, err)}
		}
		list = append(list, s)
	}
	for i, a := range k.cfg.Accounts {
		if !a.Enabled {
			continue
		}
		s, err := k.account(a, rows[i], limits[a.Forward])
		if err != nil {
			return nil, &app.ConfigError{Err: fmt.Errorf("%s:%d: accounts[%s]: %w", a.File, a.Line, a.Name, err)}
		}
		list = append(list, s)
	}
	return list, nil
}

// rows are what the ledger has of the accounts, one for each, and nothing is
// written for it.
func (k *checker) rows(ctx context.Context) ([]ledger.Account, error) {
	var known []ledger.Account
	if k.store != nil {
		var err error
		if known, err = k.store.Accounts(ctx); err != nil {
			return nil, err
		}
	}
	rows, err := ledger.Claim(known, app.Identities(k.cfg))
	if err != nil {
		return nil, &app.ConfigError{Err: err}
	}
	return rows, nil
}

// run tries all subjects, as many at once as one host may have sessions, and
// reports them one after the other. It is ok if all are well.
func (k *checker) run(ctx context.Context, list []subject, out checkReport) (ok bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, max(1, k.cfg.PerHost))
	steps := make([]chan checkStep, len(list))
	for i := range list {
		steps[i] = make(chan checkStep, 100) // room for all that one has: none waits in a session for its turn here
	}
	all.Go(func() {
		for i, s := range list {
			places <- struct{}{}
			all.Go(func() {
				s.tell(ctx, func(st checkStep) { steps[i] <- st })
				close(steps[i])
				<-places
			})
		}
	})
	ok = true
	for i, s := range list {
		r := &checkResult{Name: s.name, OK: true, Steps: []checkStep{}, kind: s.kind, where: s.where}
		out.begin(r)
		for st := range steps[i] {
			r.add(st)
			out.step(st)
		}
		ok = ok && r.OK
	}
	return ok, out.end(ok)
}

// stepUntold is the step of an error that no other step has told of.
const stepUntold = "check"

// tell tries a subject. What ends with an error is not well, whatever it told.
func (s subject) tell(ctx context.Context, tell func(checkStep)) {
	failed := false
	err := s.try(ctx, func(st checkStep) {
		failed = failed || !st.OK
		tell(st)
	})
	if err != nil && !failed {
		tell(newCheckStep(probe.Step{Name: stepUntold, Err: err}, cause.Of(err).Remedy))
	}
}

// tried is how a step of a probe is reported, with what can be found out about
// a failure.
func (k *checker) tried(ctx context.Context, s config.Server, p probe.Protocol, tell func(checkStep)) func(probe.Step) {
	return func(st probe.Step) { tell(newCheckStep(st, k.remedy(ctx, s, p, st))) }
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/progress"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

// runFlags are the flags of run.
type runFlags struct {
	once, now, json bool
	trace           string // an account; "": none
	metricsFile     string // "": none is written
}

func (p *program) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [ACCOUNT...]",
		Short: "Fetch and forward mail, on schedule or once",
		Long: "Fetches new mail and forwards it, for all accounts or for those that are named.\n\n" +
			"Without --once it polls each account on its schedule until it is stopped. It reads a changed configuration again\n" +
			"by itself.\n" +
			"Signals: TERM and INT finish the transactions in flight and stop, a second one stops at once;\n" +
			"HUP reads the configuration again; USR1 polls all accounts now.\n\n" +
			"Exit codes with --once: 0 done, 75 something has to be tried again, 78 configuration, 64 usage, 1 anything else.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usage(c, err)
			}
			var signals daemon.Signals
			if !f.once {
				signals = daemon.TakeSignals()
				defer signals.Close()
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			if err := app.Select(cfg, args); err != nil {
				return usage(c, err)
			}
			if f.trace != "" && !slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Enabled && a.Name == f.trace }) {
				return usage(c, fmt.Errorf("--trace: there is no account %q that is polled", f.trace))
			}
			return p.run(c.Context(), cfg, f, args, signals)
		},
	}
	c.Flags().BoolVar(&f.once, "once", false, "poll each account once and exit")
	c.Flags().BoolVar(&f.json, "json", false, "with --once: print the summary as JSON")
	c.Flags().BoolVar(&f.now, "now", false, "with --once: poll accounts that are backing off after a failure, too")
	c.Flags().StringVar(&f.metricsFile, "metrics-file", "", "with --once: write metrics to this `FILE` for node_exporter's textfile collector;\nits name has to end in .prom")
	c.Flags().StringVar(&f.trace, "trace", "", "log what this `ACCOUNT` says to its POP3 server and its destination, and their\nanswers, without passwords and mail")
	completeFlag(c, "trace", p.completeAccount)
	return p.withConfig(c)
}

// check refuses flags that need --once.
func (f *runFlags) check() error {
	switch {
	case f.once:
		return nil
	case f.now:
		return errors.New("--now needs --once")
	case f.json:
		return errors.New("--json needs --once")
	case f.metricsFile != "":
		return errors.New("--metrics-file needs --once; without it, the address in listen serves metrics")
	}
	return nil
}

// run runs a configuration whose accounts are selected.
func (p *program) run(ctx context.Context, cfg *config.Config, f runFlags, names []string, signals daemon.Signals) error {
	log := p.setupOutput(cfg, f)
	defer p.resources.Tracker.Stop()
	for _, w := range cfg.Warnings {
		_, _ = fmt.Fprintf(p.stderr, "popferry: warning: %s\n", w)
	}
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	for _, w := range app.CopyWarnings(ctx, store, cfg, len(names) > 0) {
		_, _ = fmt.Fprintf(p.stderr, "popferry: warning: %s\n", w)
	}
	app.Prune(ctx, store, log.Logger)
	if f.once {
		err = p.once(ctx, cfg, store, log, f)
	} else {
		err = daemon.Run(ctx, daemon.Options{
			Config: cfg, Load: p.load, Accounts: names, Store: store,
			Resources: p.resources, Log: log, Signals: signals, Version: buildVersion(),
		})
	}
	if cerr := store.Close(); cerr != nil && err == nil {
		err = fmt.Errorf("closing the ledger: %w", cerr)
	}
	return err
}

// setupOutput prepares the log, the wire trace and the display of progress: bars
// where a user waits at a terminal, else lines in the log. The tracker has to be
// stopped.
func (p *program) setupOutput(cfg *config.Config, f runFlags) app.Log {
	var view progress.View
	if out := terminal.File(p.stderr); out != nil && f.once && progress.CanShow(out, os.Getenv) {
		bars := progress.NewBars(out)
		p.stderr, view = terminal.NewEscaper(bars), bars
	}
	p.stderr = app.NewSyncWriter(p.stderr)
	p.resources.Trace = app.NewTrace(f.trace, p.stderr, cfg.Log)
	log := app.NewLog(p.stderr, cfg.Log)
	if view == nil {
		view = progress.Lines(log.Logger)
	}
	p.resources.Tracker = progress.Watch(view)
	return log
}

// once polls each account once. The results go to stdout, a line for each account
// in the order of the configuration, and what failed goes to stderr.
func (p *program) once(ctx context.Context, cfg *config.Config, store ledger.Store, log app.Log, f runFlags) error {
	stop := daemon.WatchStop(ctx)
	defer stop.Close()
	var metrics *web.Metrics
	if f.metricsFile != "" {
		view := report.NewLedgerView(store)
		view.Configure(cfg)
		metrics = web.NewMetrics(buildVersion(), view)
		app.Expect(metrics, cfg)
	}
	a, err := app.New(stop.Context, cfg, store, app.Options{Resources: p.resources, Log: log.Logger, Stopping: stop.Stopping, Metrics: metrics})
	if err != nil {
		return err
	}
	defer a.Close()
	results := a.PollAll(stop.Context, f.now)
	p.resources.Tracker.Stop() // nothing that follows may come between bars
	if !stop.Begun() {
		a.Notify(stop.Context, store, log.Logger)
	}
	again := false
	for _, res := range results {
		again = again || res.TryAgain()
		if line := report.ProblemLine(res); line != "" {
			_, _ = fmt.Fprintln(p.stderr, "popferry: "+line)
		}
	}
	if err := report.PrintPolls(p.stdout, results, f.json); err != nil {
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

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/config"
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
		Short: "Fetch and forward, on schedule or once",
		Long: "Fetches new mail and forwards it: all accounts, or those that are named.\n\n" +
			"Without --once it runs until it is told to stop and polls each account on its schedule.\n" +
			"A configuration that has changed is read again by itself.\n" +
			"Signals: TERM and INT finish the transactions in flight and stop, a second one stops at once;\n" +
			"HUP reads the configuration again; USR1 polls all accounts now.\n\n" +
			"Exit codes with --once: 0 done, 75 something has to be tried again, 78 configuration, 64 usage, 1 anything else.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, args []string) error {
			if f.now && !f.once {
				return usage(c, fmt.Errorf("--now goes with --once"))
			}
			if f.json && !f.once {
				return usage(c, fmt.Errorf("--json goes with --once"))
			}
			if f.metricsFile != "" && !f.once {
				return usage(c, fmt.Errorf("--metrics-file goes with --once; without it, listen serves metrics"))
			}
			if !f.once {
				p.signals = takeSignals()
				defer p.signals.end()
			}
			return p.run(c.Context(), c, f, args)
		},
	}
	c.Flags().BoolVar(&f.once, "once", false, "poll each account once and end")
	c.Flags().BoolVar(&f.json, "json", false, "with --once: print the summary as JSON")
	c.Flags().BoolVar(&f.now, "now", false, "with --once: also what is backing off after a failure")
	c.Flags().StringVar(&f.metricsFile, "metrics-file", "", "with --once: write metrics to this `FILE` for node_exporter's textfile collector;\nits name has to end in .prom")
	c.Flags().StringVar(&f.trace, "trace", "", "log the dialogue of this `ACCOUNT` with its POP3 server and its destination,\nwithout passwords and mail")
	completeFlag(c, "trace", p.completeAccount)
	return p.withConfig(c)
}

// run is the command: it loads, warns, and goes one of two ways.
func (p *program) run(ctx context.Context, c *cobra.Command, f runFlags, names []string) error {
	cfg, err := p.load()
	if err != nil {
		return err
	}
	if err := choose(cfg, names); err != nil {
		return usage(c, err)
	}
	if f.trace != "" && !slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Enabled && a.Name == f.trace }) {
		return usage(c, fmt.Errorf("--trace: there is no account %q that is polled", f.trace))
	}
	return p.runWith(ctx, cfg, f, names)
}

// runWith runs a configuration in which the accounts are chosen.
func (p *program) runWith(ctx context.Context, cfg *config.Config, f runFlags, names []string) error {
	log := p.onlookers(cfg, f)
	defer p.wiring.board.Stop()
	for _, w := range cfg.Warnings {
		_, _ = fmt.Fprintf(p.stderr, "popferry: warning: %s\n", w)
	}
	store, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	prune(ctx, store, log)
	if f.once {
		err = p.once(ctx, cfg, store, log, f)
	} else {
		err = p.daemon(ctx, cfg, store, names)
	}
	if cerr := store.Close(); cerr != nil && err == nil {
		err = fmt.Errorf("closing the ledger: %w", cerr)
	}
	return err
}

// choose leaves only the named accounts enabled, all of them if none is named.
// One that is named is polled even if it is not enabled.
func choose(cfg *config.Config, names []string) error {
	if len(names) == 0 {
		return nil
	}
	index := make(map[string]int, len(cfg.Accounts))
	for i := range cfg.Accounts {
		index[cfg.Accounts[i].Name] = i
		cfg.Accounts[i].Enabled = false
	}
	for _, name := range names {
		i, ok := index[name]
		if !ok {
			return noAccount(cfg, name)
		}
		cfg.Accounts[i].Enabled = true
	}
	return nil
}

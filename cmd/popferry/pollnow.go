package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
)

func (p *program) pollCommand() *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use:   "poll [ACCOUNT...]",
		Short: "Have the running popferry poll now",
		Long: "Tells the popferry that runs with this configuration to poll all accounts now, or those that are named, and\n" +
			"does not wait for what comes of it, but with --wait: then it prints a line an account as run --once does. One that\n" +
			"is being polled is polled once more after that. A person asks, so back-offs after failures do not count;\n" +
			"min_interval does.\n\n" +
			"It is reached by a socket beside the ledger, which only its owner may use.\n\n" +
			"Exit codes: 0 it will, or with --wait it has; 75 none is running, it has no usable configuration, or with --wait\n" +
			"something has to be tried again; 64 usage or no such account; 78 configuration.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, names []string) error {
			if slices.Contains(names, "") {
				return usage(c, fmt.Errorf("an account's name cannot be empty"))
			}
			cfg, err := p.loadToLook()
			if err != nil {
				return err
			}
			if wait {
				return p.pollAndWait(c, cfg, names)
			}
			if err := ask(c.Context(), cfg, order{Poll: names}, nil); err != nil {
				return err
			}
			if len(names) == 0 {
				_, err = fmt.Fprintln(p.stdout, "all accounts are polled now")
				return err
			}
			for _, name := range names {
				if _, err := fmt.Fprintf(p.stdout, "%s: is polled now\n", name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait for the ends of the polls, and print what came of them")
	return p.withConfig(c)
}

// pollAndWait prints what came of each poll when that has ended.
func (p *program) pollAndWait(c *cobra.Command, cfg *config.Config, names []string) error {
	again := false
	err := ask(c.Context(), cfg, order{Poll: names, Wait: true}, func(end pollEnd) error {
		again = again || end.TryAgain
		if end.Complaint != "" {
			_, _ = fmt.Fprintln(p.stderr, "popferry: "+end.Complaint)
		}
		_, err := fmt.Fprintln(p.stdout, end.Summary)
		return err
	})
	if err == nil && again {
		return &app.TryAgainError{}
	}
	return err
}

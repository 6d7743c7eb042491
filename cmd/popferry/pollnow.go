package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) pollCommand() *cobra.Command {
	return p.withConfig(&cobra.Command{
		Use:   "poll [ACCOUNT...]",
		Short: "Have the running popferry poll now",
		Long: "Tells the popferry that runs with this configuration to poll all accounts now, or those that are named, and\n" +
			"does not wait for what comes of it. One that is being polled is polled once more after that. A person asks, so\n" +
			"back-offs after failures do not count; min_interval does.\n\n" +
			"It is reached by a socket beside the ledger, which only its owner may use.\n\n" +
			"Exit codes: 0 it will, 75 none is running or it has no usable configuration, 64 usage or no such account, 78 configuration.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, names []string) error {
			cfg, err := p.loadToLook()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				if err := ask(c.Context(), cfg, order{}); err != nil {
					return err
				}
				_, err = fmt.Fprintln(p.stdout, "all accounts are polled now")
				return err
			}
			for _, name := range names {
				if name == "" {
					return usage(c, fmt.Errorf("an account's name cannot be empty"))
				}
				if err := ask(c.Context(), cfg, order{Poll: name}); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(p.stdout, "%s: is polled now\n", name); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
)

func (p *program) forgetCommand() *cobra.Command {
	var yes bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "forget ACCOUNT",
		Short: "Remove an account and its messages from the ledger",
		Long: "Removes from the ledger an account and all that is known of its messages. Nothing is deleted on its server.\n\n" +
			"If the account stays in the configuration, it is a new one as soon as popferry is started, or sent HUP: whatever\n" +
			"is on the server is forwarded again, unless first_run is new. Without --yes it only says what it would remove.",
		Args:              argsAre("ACCOUNT"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := p.loadToLook()
			if err != nil {
				return err
			}
			return p.atDesk(c.Context(), cfg, args[0], func(d *desk) error {
				if !yes {
					return d.wouldForget(c.Context())
				}
				return d.underLease(c.Context(), wait, func() error { return d.forget(c.Context()) })
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return p.withConfig(withWait(c, &wait))
}

// wouldForget is the error for a person who has not said yes: what would go.
func (d *desk) wouldForget(ctx context.Context) error {
	counts, err := d.store.Counts(ctx)
	if err != nil {
		return err
	}
	messages := 0
	for _, n := range counts[d.account.ID] {
		messages += n
	}
	return &app.UsageError{Err: fmt.Errorf("%s (%s at %s): %d messages would be forgotten%s; nothing was removed: popferry forget %s --yes does it",
		d.account.Name, d.account.Username, d.account.Host, messages, again(d.cfg, d.account.Name), d.account.Name)}
}

// forget removes the account, and says so.
func (d *desk) forget(ctx context.Context) error {
	messages, err := d.lease.Forget(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.stdout, "%s: %d messages are forgotten%s\n", d.account.Name, messages, again(d.cfg, d.account.Name))
	return err
}

// again warns of what comes of forgetting an account that is still configured.
func again(cfg *config.Config, name string) string {
	for _, c := range cfg.Accounts {
		switch {
		case c.Name != name:
		case c.FirstRun == config.FirstRunNew:
			return fmt.Sprintf(", and as %s still has the account, what is on its server then counts as seen (first_run: new)", cfg.Path)
		default:
			return fmt.Sprintf(", and as %s still has the account, all that is on its server then is new mail", cfg.Path)
		}
	}
	return ""
}

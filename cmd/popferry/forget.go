package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
)

func (p *program) forgetCommand() *cobra.Command {
	var yes bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "forget ACCOUNT",
		Short: "Remove an account and its messages from the ledger",
		Long: "Removes an account, and everything known about its messages, from the ledger. Nothing is deleted from its server.\n\n" +
			"If the account stays in the configuration, popferry treats it as a new one as soon as it is restarted or gets HUP:\n" +
			"everything on the server is forwarded again, unless first_run is new. Without --yes the command only says what it\n" +
			"would remove.",
		Args:              argsAre("ACCOUNT"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			cfg, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			if yes {
				return p.withLease(ctx, cfg, args[0], wait, func(l *admin.Leased) error {
					messages, err := l.Forget(ctx)
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(p.stdout, "%s: %d messages forgotten%s\n", l.Name, messages, stillConfigured(cfg, l.Name))
					return err
				})
			}
			return p.withAccount(ctx, cfg, args[0], func(a *admin.Account) error {
				messages, err := a.Count(ctx)
				if err != nil {
					return err
				}
				return &app.UsageError{Err: fmt.Errorf("%s (%s at %s): %d messages would be forgotten%s; nothing was removed: to remove them, popferry forget %s --yes",
					a.Name, a.Username, a.Host, messages, stillConfigured(cfg, a.Name), a.Name)}
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "remove the account and its messages from the ledger")
	return p.withConfig(withWait(c, &wait))
}

// stillConfigured warns of what follows if the account is still configured.
func stillConfigured(cfg *config.Config, name string) string {
	for _, c := range cfg.Accounts {
		switch {
		case c.Name != name:
		case c.FirstRun == config.FirstRunNew:
			return fmt.Sprintf("; the account is still in %s, so the mail on its server will count as seen (first_run: new)", cfg.Path)
		default:
			return fmt.Sprintf("; the account is still in %s, so all the mail on its server will be forwarded again", cfg.Path)
		}
	}
	return ""
}

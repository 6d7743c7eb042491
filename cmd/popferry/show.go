package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher"
)

func (p *program) showCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:   "show ACCOUNT UID",
		Short: "Fetch and print one message",
		Long: "Prints a message octet by octet as its server has it; on a terminal, control characters are shown as escapes.\n" +
			"popferry logs in for this, but changes neither the mailbox nor the ledger.\n\n" +
			"Write ACCOUNT and UID as popferry messages --json shows them, and \"--\" before a UID that begins with a dash.\n" +
			"If several messages have the same UID, the latest is printed.",
		Args:              argsAre("ACCOUNT", "UID"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			uid, err := report.ParseUID(args[1])
			if err != nil {
				return usage(c, err)
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			return p.withLease(c.Context(), cfg, args[0], wait, func(l *admin.Leased) error {
				source := func() (fetcher.Account, error) {
					account, err := l.ConfiguredIn(cfg)
					if err != nil {
						return fetcher.Account{}, err
					}
					source, err := p.resources.Account(account)
					if err != nil {
						err = &app.ConfigError{Err: err}
					}
					return source, err
				}
				if !terminal.Is(p.stdout) {
					return l.Show(c.Context(), uid, copies.Dir(cfg), source, p.stdout)
				}
				out := terminal.NewEscaper(p.stdout)
				return cmp.Or(l.Show(c.Context(), uid, copies.Dir(cfg), source, out), out.Close())
			})
		},
	}
	return p.withConfig(withWait(c, &wait))
}

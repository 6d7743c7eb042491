package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/invocation"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

func (p *program) checkCommand() *cobra.Command {
	var asJSON, send bool
	c := &cobra.Command{
		Use:   "check [ACCOUNT...]",
		Short: "Test the servers without moving mail, and say what is wrong",
		Long: "Tests each destination and account step by step, or only the accounts that you name and their destinations, and\n" +
			"says what is wrong and what to do. No mail is moved: mailboxes are listed and left as they are, and the destination\n" +
			"is given senders and recipients, or the names of folders, but no message. check logs in to each mailbox once, but\n" +
			"not if the last poll's login is less than min_interval ago. Its own logins are not recorded.\n" +
			"A mailbox that is being polled at the same time may answer that it is locked.\n\n" +
			"Exit codes: 0 all is well, 75 something is not, 78 configuration, 64 usage, 1 anything else.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, args []string) (err error) {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			if err := app.Select(cfg, args); err != nil {
				return usage(c, err)
			}
			p.warn(cfg.Warnings...)
			store, err := app.ReadLedger(c.Context(), cfg)
			if err != nil {
				return err
			}
			if store != nil {
				defer func() { err = errors.Join(err, store.Close()) }()
				p.warn(app.LedgerWarnings(c.Context(), store)...)
			}
			var out check.Report = check.NewText(invocation.NewWrapped(p.stdout, p.invoked()), terminal.Is(p.stdout), os.Getenv)
			if asJSON {
				out = check.NewJSON(p.stdout)
			}
			ok, err := check.Run(c.Context(), check.Options{Config: cfg, Resources: p.resources, Ledger: store, UsedOnly: len(args) > 0, Send: send}, out)
			if err == nil && !ok {
				err = &app.TryAgainError{}
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&send, "send", false, "also send a test message through each destination, from the address of a mailbox that you collect from:\nso it shows whether the destination takes mail from others")
	return p.withConfig(c)
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) renameCommand() *cobra.Command {
	var username, host string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Give an account's history another name, or another mailbox",
		Long: "Renames the account OLD to NEW in the ledger. Rename it in the configuration too. (If only the name, the host or the\n" +
			"user name changes, it is enough to change it there: the ledger follows, and compares the headers of the messages.)\n\n" +
			"With --username or --host, everything known about the old mailbox is taken to be true of the new one without a\n" +
			"look at the messages. Use this for a mailbox that has moved with its messages and their UIDs; OLD and NEW may then\n" +
			"be the same name. If it is in fact another mailbox, new mail in it can count as seen.\n\n" +
			"A running popferry keeps the old name until it gets HUP or is restarted.",
		Args:              argsAre("OLD", "NEW"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] == "" {
				return usage(c, errors.New("an account needs a name"))
			}
			if args[0] == args[1] && username == "" && host == "" {
				return usage(c, errors.New("the name stays the same, so there is nothing to change"))
			}
			cfg, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			return p.withLease(c.Context(), cfg, args[0], wait, func(l *admin.Leased) error {
				from := l.Identity
				to := ledger.Identity{Name: args[1], Username: cmp.Or(username, from.Username), Host: cmp.Or(host, from.Host), Port: from.Port}
				if host != "" {
					to.Port = 0 // any
				}
				if err := l.Rename(c.Context(), to); err != nil {
					return err
				}
				_, err := fmt.Fprintf(p.stdout, "%s (%s at %s) is now %s (%s at %s); make sure that %s says the same\n",
					from.Name, from.Username, from.Host, to.Name, to.Username, to.Host, cfg.Path)
				return err
			})
		},
	}
	c.Flags().StringVar(&username, "username", "", "the `NAME` that now logs in to the mailbox")
	c.Flags().StringVar(&host, "host", "", "the `HOST` that now has the mailbox")
	return p.withConfig(withWait(c, &wait))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) renameCommand() *cobra.Command {
	var username, host string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Give an account's history another name, or another mailbox",
		Long: "The ledger's account OLD is called NEW from now on. Change its name in the configuration too.\n" +
			"(If only its name changes, changing it there is enough: the ledger follows by itself.)\n\n" +
			"With --username or --host, all that is known of the old mailbox is taken to be known of that one: for a\n" +
			"mailbox that has moved with its messages and their UIDs. OLD and NEW may then be the same name. If it is\n" +
			"not the same mailbox, new mail in it can count as seen; use popferry forget, or another name, instead.\n\n" +
			"A popferry that runs goes on with what it knows until it is sent HUP or started again.",
		Args:              argsAre("OLD", "NEW"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] == "" {
				return usage(c, errors.New("an account needs a name"))
			}
			if args[0] == args[1] && username == "" && host == "" {
				return usage(c, errors.New("the name stays the same: what is to be changed?"))
			}
			cfg, err := p.loadToLook()
			if err != nil {
				return err
			}
			return p.atDesk(c.Context(), cfg, args[0], func(d *desk) error {
				to := d.account.Identity
				to.Name = args[1]
				if username != "" {
					to.Username = username
				}
				if host != "" {
					to.Host = host
				}
				return d.underLease(c.Context(), wait, func() error { return d.rename(c.Context(), to) })
			})
		},
	}
	c.Flags().StringVar(&username, "username", "", "the `NAME` that now logs in to the mailbox")
	c.Flags().StringVar(&host, "host", "", "the `HOST` that now has the mailbox")
	return p.withConfig(withWait(c, &wait))
}

// rename writes an identity, and says so.
func (d *desk) rename(ctx context.Context, to ledger.Identity) error {
	if err := d.lease.Rename(ctx, to); errors.Is(err, ledger.ErrNameTaken) {
		return fmt.Errorf("%s cannot be called %s: %w; choose another name, or popferry forget %s first", d.account.Name, to.Name, err, to.Name)
	} else if err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.stdout, "%s (%s at %s) is now %s (%s at %s); make sure that %s says the same\n",
		d.account.Name, d.account.Username, d.account.Host, to.Name, to.Username, to.Host, d.cfg.Path)
	return err
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/fetcher/ledger"
)

// renumberedHelp is what both answers to a renumbered mailbox have to say.
const renumberedHelp = "Some migrations give new UIDs to all messages of a mailbox, so that old mail looks like new. Where popferry cannot\n" +
	"tell them by their headers, the account waits, nothing is sent, and a person has to say which it is:\n\n" +
	"    popferry adopt ACCOUNT    what is on the server now counts as seen: it is noted as skipped, and never sent.\n" +
	"                              New mail that came in with the migration is not sent either; popferry retry sends it.\n" +
	"    popferry resend ACCOUNT   what is on the server now is new mail: all of it is sent, some for the second time.\n\n" +
	"Either is done by the next poll; until then the other can still be said."

func (p *program) adoptCommand() *cobra.Command {
	return p.renumberedCommand(&cobra.Command{
		Use:   "adopt ACCOUNT",
		Short: "A server has renumbered its mailbox: what is there counts as seen",
	}, true)
}

func (p *program) resendCommand() *cobra.Command {
	return p.renumberedCommand(&cobra.Command{
		Use:   "resend ACCOUNT",
		Short: "A server has renumbered its mailbox: what is there is sent as new mail",
	}, false)
}

// renumberedCommand is one of the two answers.
func (p *program) renumberedCommand(c *cobra.Command, adopt bool) *cobra.Command {
	var wait time.Duration
	c.Long = renumberedHelp
	c.Args = argsAre("ACCOUNT")
	c.ValidArgsFunction = p.completeAccounts(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := p.loadToLook()
		if err != nil {
			return err
		}
		return p.atDesk(c.Context(), cfg, args[0], func(d *desk) error {
			return d.underLease(c.Context(), wait, func() error { return d.answerRenumbered(c.Context(), adopt) })
		})
	}
	return p.withConfig(withWait(c, &wait))
}

// answerRenumbered writes down what a person says of a renumbered mailbox.
func (d *desk) answerRenumbered(ctx context.Context, adopt bool) error {
	row, err := d.lease.Account(ctx)
	if err != nil {
		return err
	}
	if !row.Renumbered && !row.Adopt {
		return fmt.Errorf("%s: its server has not renumbered it, so it does not wait for this; nothing was changed", row.Name)
	}
	row.Renumbered, row.Adopt = false, adopt
	row.Failures, row.NotBefore, row.Cause = 0, time.Time{}, ledger.Cause{} // it waited for this answer
	if err := d.lease.PutAccount(ctx, row); err != nil {
		return err
	}
	meaning := "is new mail, and is sent by"
	if adopt {
		meaning = "counts as seen from"
	}
	_, err = fmt.Fprintf(d.stdout, "%s: what is on the server now %s the next poll\n", row.Name, meaning)
	return err
}

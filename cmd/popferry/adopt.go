package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
)

// renumberedHelp is the help of both answers to a renumbered mailbox.
const renumberedHelp = "Some migrations give every message of a mailbox a new UID, so that old mail looks new. If popferry cannot recognise\n" +
	"the messages by their headers, the account waits and nothing is sent until you decide:\n\n" +
	"    popferry adopt ACCOUNT    the mail that is on the server now counts as seen: it is skipped and never sent.\n" +
	"                              That includes new mail that arrived with the migration; popferry retry sends it.\n" +
	"    popferry resend ACCOUNT   the mail that is on the server now is new: all of it is sent, some for the second time.\n\n" +
	"The next poll acts on your answer. Until then you can change it."

func (p *program) adoptCommand() *cobra.Command {
	return p.renumberedCommand(&cobra.Command{
		Use:   "adopt ACCOUNT",
		Short: "After a server has renumbered a mailbox: its mail counts as seen",
	}, (*admin.Leased).Adopt, "the next poll notes the mail that is on the server as seen")
}

func (p *program) resendCommand() *cobra.Command {
	return p.renumberedCommand(&cobra.Command{
		Use:   "resend ACCOUNT",
		Short: "After a server has renumbered a mailbox: its mail is sent as new",
	}, (*admin.Leased).Resend, "the next poll sends the mail that is on the server as new")
}

// renumberedCommand makes a command of an answer to a renumbered mailbox.
func (p *program) renumberedCommand(c *cobra.Command, answer func(*admin.Leased, context.Context) error, result string) *cobra.Command {
	var wait time.Duration
	c.Long = renumberedHelp
	c.Args = argsAre("ACCOUNT")
	c.ValidArgsFunction = p.completeAccounts(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := p.loadReadOnly()
		if err != nil {
			return err
		}
		return p.withLease(c.Context(), cfg, args[0], wait, func(l *admin.Leased) error {
			if err := answer(l, c.Context()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(p.stdout, "%s: %s\n", l.Name, result)
			return err
		})
	}
	return p.withConfig(withWait(c, &wait))
}

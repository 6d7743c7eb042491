package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/report"
)

func (p *program) retryCommand() *cobra.Command {
	return p.stateCommand(&cobra.Command{
		Use:   "retry ACCOUNT UID...|--state STATE",
		Short: "Send messages now, whatever failed before",
		Long: "Makes held, deferred, unknown or skipped messages due now, and has the running popferry poll the account. If none\n" +
			"is running, the next poll sends them: popferry run --once --now ACCOUNT\n\n" +
			"They go to the recipients that do not have them yet, whatever failed before. A message larger than\n" +
			"max_message_size is fetched anyway. A message that may have arrived already (unknown) may arrive twice.\n\n" + uidHelp,
	}, admin.Retry(), p.pollChanged)
}

func (p *program) skipCommand() *cobra.Command {
	return p.stateCommand(&cobra.Command{
		Use:   "skip ACCOUNT UID...|--state STATE",
		Short: "Give messages up for good",
		Long: "Gives up held, deferred or unknown messages: they are never sent, and never deleted from their server.\n" +
			"popferry retry undoes it.\n\n" + uidHelp,
	}, admin.Skip(), nil)
}

const uidHelp = "Write ACCOUNT and UID as popferry messages --json shows them, and \"--\" before a UID that begins with a dash.\n" +
	"If several messages have the same UID, all of those in a suitable state are changed. If one of the UIDs is not\n" +
	"found, nothing is changed."

// stateCommand makes a command of a change to messages, and of what follows it for
// the account; nil: nothing does.
func (p *program) stateCommand(c *cobra.Command, change admin.StateChange, then func(ctx context.Context, cfg *config.Config, account string) error) *cobra.Command {
	var state string
	var wait time.Duration
	c.Args = argsBegin("ACCOUNT")
	c.ValidArgsFunction = p.completeAccounts(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		sel, err := change.Select(args[1:], state)
		if err != nil {
			return usage(c, err)
		}
		cfg, err := p.loadReadOnly()
		if err != nil {
			return err
		}
		n := 0
		err = p.withLease(c.Context(), cfg, args[0], wait, func(l *admin.Leased) error {
			changed, err := l.Change(c.Context(), change, sel)
			if err != nil {
				return err
			}
			n = len(changed)
			return p.printChanged(l.Name, changed, change.Result)
		})
		if err != nil || n == 0 || then == nil {
			return err
		}
		return then(c.Context(), cfg, args[0])
	}
	c.Flags().StringVar(&state, "state", "", "all messages in this `STATE`: "+change.States())
	completeFlag(c, "state", completeStates(change.Applies))
	return p.withConfig(withWait(c, &wait))
}

// pollChanged has the running popferry poll an account whose messages are due. What
// was changed stays changed, also if that cannot be.
func (p *program) pollChanged(ctx context.Context, cfg *config.Config, account string) error {
	process, err := daemon.Look(ctx, cfg)
	if err == nil && !process.Running {
		_, err = fmt.Fprintf(p.prose(p.stdout), "No popferry is running. To send them now: popferry run --once --now %s\n", account)
		return err
	}
	if err == nil {
		err = daemon.RequestPolls(ctx, cfg, []string{account}, nil)
	}
	if err != nil {
		p.tell("%s: the account is not polled now: %v", account, err)
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "%s: is polled now\n", account)
	return err
}

func (p *program) printChanged(account string, changed []admin.Changed, result string) error {
	for _, m := range changed {
		if _, err := fmt.Fprintf(p.stdout, "%s: %s: was %s, is %s\n", account, report.PrintableUID(m.UID), m.Was, result); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %d %s\n", account, len(changed), result)
	return err
}

// defaultWait is longer than most polls take.
const defaultWait = 30 * time.Second

// withWait gives a command the flag for how long to wait for a running poll.
func withWait(c *cobra.Command, wait *time.Duration) *cobra.Command {
	c.Flags().DurationVar(wait, "wait", defaultWait, "wait up to this `TIME` for a running poll of the account to end")
	return c
}

// withAccount opens the ledger and calls do with the account of that name.
func (p *program) withAccount(ctx context.Context, cfg *config.Config, name string, do func(*admin.Account) error) (err error) {
	store, err := app.EditLedger(ctx, cfg)
	if err != nil {
		return err
	}
	if store == nil {
		return fmt.Errorf("there is no ledger at %s yet: nothing has been polled so far", cfg.State)
	}
	defer func() {
		if cerr := store.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("closing the ledger: %w", cerr)
		}
	}()
	account, err := admin.Open(ctx, store, name)
	if err != nil {
		return err
	}
	return do(account)
}

// withLease is withAccount, under the account's lease.
func (p *program) withLease(ctx context.Context, cfg *config.Config, name string, wait time.Duration, do func(*admin.Leased) error) error {
	return p.withAccount(ctx, cfg, name, func(a *admin.Account) error { return a.WithLease(ctx, p.wait(wait), do) })
}

// wait says so when a running poll has to be waited for.
func (p *program) wait(limit time.Duration) admin.Wait {
	return admin.Wait{Limit: limit, Began: func(account string) {
		_, _ = fmt.Fprintf(p.stderr, "popferry: %s: the account is being polled; waiting up to %s for the poll to end\n", account, limit)
	}}
}

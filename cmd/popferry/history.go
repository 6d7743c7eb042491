package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher/ledger"
)

// The commands that say what the history of an account means.

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

// forgetFlags are the flags of forget.
type forgetFlags struct {
	yes, dropCopies, facts bool
	wait                   time.Duration
}

func (p *program) forgetCommand() *cobra.Command {
	var f forgetFlags
	c := &cobra.Command{
		Use:   "forget ACCOUNT",
		Short: "Remove an account and its messages from the ledger",
		Long: "Removes an account, and everything known about its messages, from the ledger. Nothing is deleted from its server.\n\n" +
			"If the account stays in the configuration, popferry treats it as a new one as soon as it is restarted or gets HUP:\n" +
			"everything on the server is forwarded again, unless first_run is new. Without --yes the command only says what it\n" +
			"would remove.\n\n" +
			"If popferry has the only copies of messages that were not delivered, because their server gives each message only\n" +
			"once, it refuses to forget them. With --drop-copies it does, and moves the copies to a folder that it names. Each\n" +
			"file there is a message.\n\n" +
			"With --facts only what was learnt of the account's server is forgotten: what it does not support, that it hides or\n" +
			"deletes what was retrieved, how it counts sizes. The messages stay known. popferry learns all of that again, so this\n" +
			"is for a server that was mended or replaced.",
		Args:              argsAre("ACCOUNT"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usage(c, err)
			}
			cfg, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			switch {
			case f.facts:
				return p.withLease(c.Context(), cfg, args[0], f.wait, func(l *admin.Leased) error { return p.forgetFacts(c.Context(), l) })
			case f.yes:
				return p.withLease(c.Context(), cfg, args[0], f.wait, func(l *admin.Leased) error { return p.forget(c.Context(), l, cfg, f.dropCopies) })
			}
			return p.withAccount(c.Context(), cfg, args[0], func(a *admin.Account) error { return wouldForget(c.Context(), a, cfg) })
		},
	}
	c.Flags().BoolVar(&f.yes, "yes", false, "remove the account and its messages from the ledger")
	c.Flags().BoolVar(&f.dropCopies, "drop-copies", false, "with --yes: also if popferry has the only copies of undelivered messages;\nthey are moved to a folder")
	c.Flags().BoolVar(&f.facts, "facts", false, "forget only what was learnt of the server")
	return p.withConfig(withWait(c, &f.wait))
}

// check refuses flags that do not go together.
func (f *forgetFlags) check() error {
	switch {
	case f.facts && (f.yes || f.dropCopies):
		return errors.New("--facts forgets no messages, and cannot be combined with --yes or --drop-copies")
	case f.dropCopies && !f.yes:
		return errors.New("--drop-copies needs --yes")
	}
	return nil
}

// forget removes an account and says what went with it.
func (p *program) forget(ctx context.Context, l *admin.Leased, cfg *config.Config, dropCopies bool) error {
	done, err := l.Forget(ctx, copies.Dir(cfg), dropCopies)
	if _, ok := errors.AsType[*admin.OnlyCopiesError](err); ok {
		return &app.UsageError{Err: err}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %d messages forgotten%s\n", l.Name, done.Messages, stillConfigured(cfg, l.Name))
	if err == nil && done.Copies > 0 {
		_, err = fmt.Fprintf(p.stdout, "%s: the copies of messages that were not delivered (%d) are now in %s\n", l.Name, done.Copies, done.Aside)
	}
	return err
}

// wouldForget is an error that says what forget would remove.
func wouldForget(ctx context.Context, a *admin.Account, cfg *config.Config) error {
	messages, err := a.Count(ctx)
	if err != nil {
		return err
	}
	only, err := a.OnlyCopies(ctx, copies.Dir(cfg))
	if err != nil {
		return err
	}
	undelivered, flags := "", "--yes"
	if n := len(only); n > 0 {
		flags += " --drop-copies"
		undelivered = fmt.Sprintf("; %d of them were not delivered, and popferry has their only copies, in %s: they would be moved to another folder", n, a.CopiesAt(copies.Dir(cfg)))
	}
	return &app.UsageError{Err: fmt.Errorf("%s (%s at %s): %d messages would be forgotten%s%s; nothing was removed: to remove them, popferry forget %s %s",
		a.Name, a.Username, a.Host, messages, stillConfigured(cfg, a.Name), undelivered, a.Name, flags)}
}

// forgetFacts drops what was learnt of an account's server.
func (p *program) forgetFacts(ctx context.Context, l *admin.Leased) error {
	if err := l.ForgetFacts(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "%s: what was learnt of %s is forgotten, and the next poll learns it again; the account's messages stay known\n", l.Name, l.Host)
	return err
}

// stillConfigured warns of what follows if the account is still configured.
func stillConfigured(cfg *config.Config, name string) string {
	for _, c := range cfg.Accounts {
		switch {
		case c.Name != name:
		case c.FirstRun.New:
			return fmt.Sprintf("; the account is still in %s, so the mail on its server will count as seen (first_run: new)", cfg.Path)
		case c.FirstRun.Age > 0:
			return fmt.Sprintf("; the account is still in %s, so the mail on its server that is young enough for first_run will be forwarded again", cfg.Path)
		default:
			return fmt.Sprintf("; the account is still in %s, so all the mail on its server will be forwarded again", cfg.Path)
		}
	}
	return ""
}

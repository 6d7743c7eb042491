package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
)

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
		undelivered = fmt.Sprintf("; %d of them were not delivered, and popferry has their only copies, in %s: they would be moved to another folder", n, copies.Dir(cfg))
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

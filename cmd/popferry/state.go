package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/statecopy"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) moveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "state",
		Short: "Move the ledger to another place",
		Args:  argsAre(),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.stateCopyCommand())
	return c
}

func (p *program) stateCopyCommand() *cobra.Command {
	var to string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "copy --to CONFIG",
		Short: "Copy the ledger to the place that another configuration names",
		Long: "Copies all of the ledger to the one that the file CONFIG names in `state`: from a file to a database, back, or to\n" +
			"another of the same kind. The new one has to be empty. Retained copies of messages, messages in quarantine and\n" +
			"sign-ins go with it. The old one stays, marked as moved: a popferry that starts on it says where it went, and\n" +
			"sends nothing.\n\n" +
			"Stop all popferrys that use the ledger first. Afterwards start them with `state` as in CONFIG. CONFIG is best a\n" +
			"copy of the configuration in which only `state` differs, with the keys that belong to it.",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				return usage(c, errors.New("where to? Name the configuration of the new place with --to"))
			}
			from, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			target, err := app.LoadReadOnly(to)
			if err != nil {
				return err
			}
			if from.State == target.State {
				return usage(c, fmt.Errorf("%s and %s name the same ledger, %s", from.Path, target.Path, from.State))
			}
			return p.copyState(c.Context(), from, target, wait)
		},
	}
	c.Flags().StringVar(&to, "to", "", "the configuration `FILE` that names the new place in state")
	_ = c.MarkFlagFilename("to", "yaml", "yml") // fails if there is no such flag
	return p.withConfig(withWait(c, &wait))
}

func (p *program) copyState(ctx context.Context, from, to *config.Config, wait time.Duration) (err error) {
	running, err := daemon.Look(ctx, from)
	if err != nil {
		return err
	}
	if running.Running {
		return &app.UsageError{Err: fmt.Errorf("popferry is running on %s: stop it first, and start it again with the new `state` afterwards; nothing was copied", from.State)}
	}
	source, err := app.EditLedger(ctx, from)
	if err != nil {
		return err
	}
	if source == nil {
		return fmt.Errorf("there is no ledger at %s, so there is nothing to copy", from.State)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	created := *to
	created.StateCreate = true
	target, err := app.OpenLedger(ctx, &created)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	done, err := statecopy.Copy(ctx, statecopy.Place{Config: from, Store: source}, statecopy.Place{Config: to, Store: target}, wait)
	if errors.Is(err, ledger.ErrNotEmpty) {
		return &app.UsageError{Err: err}
	}
	if err != nil {
		return cause.Explain("state", err)
	}
	for _, name := range done.Missing {
		p.warn(fmt.Sprintf("the retained copy %s is not there, as before; popferry status says what it means", name))
	}
	_, err = fmt.Fprintf(p.stdout, "copied %d accounts, %d messages, %d retained copies, %d messages in quarantine and %d sign-ins to %s\n"+
		"%s is marked as moved; start popferry with `state: %s` now\n",
		done.Accounts, done.Messages, done.Copies, done.Quarantined, done.SignIns, to.State, from.State, to.State)
	return err
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show whether popferry runs, and how each account is",
		Long: "Shows whether a popferry with this configuration is running, and a line for each account:\n\n" +
			"  ok        the last poll went through\n" +
			"  waiting   some messages wait for their next try\n" +
			"  held      some messages wait for you\n" +
			"  FAILED    the last poll failed; the reason is below the table\n" +
			"  new       it was never polled\n" +
			"  disabled  it is not polled\n\n" +
			"LAST OK is when a poll last went through. NEXT is when the running popferry polls the account again: now, a\n" +
			"time or a day. On a narrow terminal the last columns are left out; --json has everything.\n\n" +
			"Where several popferrys share a ledger in a database, a second table has them, with the accounts that each has\n" +
			"leased and when it was last heard of.",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			store, err := app.ReadLedger(c.Context(), cfg)
			if err != nil {
				return err
			}
			if store != nil {
				defer store.Close()
			}
			rows, err := report.ReadRows(c.Context(), store)
			if err != nil {
				return err
			}
			found, err := copies.Look(c.Context(), store, cfg)
			if err != nil {
				return cause.Explain("retained copies", err)
			}
			signIns, err := app.LookSignIns(c.Context(), store, cfg)
			if err != nil {
				return err
			}
			process, err := daemon.Look(c.Context(), cfg)
			if err != nil {
				return err
			}
			replicas, err := report.Replicas(c.Context(), store)
			if err != nil {
				return err
			}
			process = process.With(replicas)
			now := time.Now()
			if store != nil {
				now = ledger.Now(store)
			}
			list := report.Status(cfg.Accounts, rows, process.Running, now)
			if asJSON {
				return report.WriteJSON(p.stdout, report.StatusDocument(process, list, found, report.SignIns(signIns), replicas))
			}
			return report.StatusText{
				Process: process, Accounts: list, Replicas: replicas, Lines: report.SignInLines(signIns, list, now), Copies: found,
				Now: now, Width: terminal.Width(p.stdout),
			}.Print(p.prose(p.stdout))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return p.withConfig(c)
}

func (p *program) healthyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "healthy",
		Short: "Exit with 0 if popferry runs and works, else with 1",
		Long: "Asks the running popferry with this configuration whether it polls accounts when they are due and can read its\n" +
			"ledger. It is for health checks in containers, where there is no shell. Mailboxes or destinations that fail do\n" +
			"not make it unhealthy: that is what notify, status and the metrics are for.\n\n" +
			"Exit codes: 0 it does; 1 it does not, or none is running, and stderr says why; 64 usage.",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.loadReadOnly()
			if err != nil {
				return errors.New(err.Error()) // without its type: there are two exit codes
			}
			process, err := daemon.Look(c.Context(), cfg)
			switch {
			case err != nil:
				return errors.New(err.Error())
			case !process.Running:
				return errors.New("popferry is not running with this configuration; start it with popferry run")
			case process.Problem != "":
				return fmt.Errorf("popferry is running, but does not work: %s", process.Problem)
			}
			return nil
		},
	}
	return p.withConfig(c)
}

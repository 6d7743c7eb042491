package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/report"
)

func (p *program) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:               "status",
		Short:             "Show how the last poll of each account ended, and when the next one is due",
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
			now := time.Now()
			list := report.Status(cfg.Accounts, rows, now)
			if asJSON {
				return report.WriteJSON(p.stdout, report.StatusDocument(list, found, report.SignIns(signIns)))
			}
			return report.PrintStatus(p.stdout, list, report.SignInLines(signIns, list, now), found)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return p.withConfig(c)
}

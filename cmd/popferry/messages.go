package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) messagesCommand() *cobra.Command {
	var account, state string
	var asJSON bool
	var last int
	c := &cobra.Command{
		Use:               "messages",
		Short:             "Show what happened to each message",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if last < 0 {
				return usage(c, errors.New("--last needs a number of messages"))
			}
			f := ledger.Filter{Account: account}
			if state != "" {
				var err error
				if f.State, err = ledger.ParseState(state); err != nil {
					return usage(c, err)
				}
			}
			cfg, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			return p.messages(c.Context(), cfg, f, last, asJSON)
		},
	}
	c.Flags().StringVar(&account, "account", "", "only messages of this `ACCOUNT`")
	c.Flags().StringVar(&state, "state", "", "only messages in this `STATE`: "+strings.Join(states(allStates), ", "))
	c.Flags().IntVar(&last, "last", 0, "only the `NUMBER` of messages that were seen last (default: all)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	completeFlag(c, "account", p.completeAccount)
	completeFlag(c, "state", completeStates(allStates))
	return p.withConfig(c)
}

func (p *program) messages(ctx context.Context, cfg *config.Config, f ledger.Filter, last int, asJSON bool) error {
	store, err := app.ReadLedger(ctx, cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	if err := checkAccount(ctx, cfg, store, f.Account); err != nil {
		return err
	}
	out := report.NewMessagePrinter(p.stdout, asJSON)
	if last > 0 {
		out = &report.LastMessages{MessagePrinter: out, Most: last}
	}
	if store != nil {
		if err := store.Messages(ctx, f, out.Print); err != nil {
			return err
		}
	}
	return out.Close()
}

// checkAccount refuses a name that neither the configuration nor the ledger
// knows, instead of showing no messages. An empty name means all accounts.
func checkAccount(ctx context.Context, cfg *config.Config, store ledger.Store, name string) error {
	if name == "" || slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Name == name }) {
		return nil
	}
	if store != nil {
		accounts, err := store.Accounts(ctx)
		if err != nil || slices.ContainsFunc(accounts, func(a ledger.Account) bool { return a.Name == name }) {
			return err
		}
	}
	return &app.UsageError{Err: fmt.Errorf("%w; the ledger does not know it either", app.UnknownAccount(cfg, name))}
}

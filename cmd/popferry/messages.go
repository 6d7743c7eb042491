package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
		Use:   "messages [ACCOUNT]",
		Short: "Show what happened to each message",
		Long: "Shows, for each message, its state and size, and what else is known: of one that was forwarded when that was,\n" +
			"and its Message-ID; of any other its sender and subject, and why it is in its state. Sender and subject are kept\n" +
			"only as long as a message waits. --json has more.",
		Args:              usageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				if account != "" && account != args[0] {
					return usage(c, fmt.Errorf("two accounts, %q and %q; name one of them, or none for all", args[0], account))
				}
				account = args[0]
			}
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
	c.Flags().StringVar(&account, "account", "", "the same as the argument ACCOUNT")
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
		hidden := newForeign(cfg, f.Account)
		if err := store.Messages(ctx, f, hidden.pass(out.Print)); err != nil {
			return err
		}
		defer hidden.tell(p)
	}
	return out.Close()
}

// foreign are the accounts of a ledger that the configuration does not have: another
// one may share the ledger.
type foreign struct {
	configured map[string]bool
	names      map[string]bool
}

// newForeign is for a configuration, and the account that was asked for, if any.
func newForeign(cfg *config.Config, asked string) *foreign {
	f := &foreign{map[string]bool{asked: true}, make(map[string]bool)}
	for _, a := range cfg.Accounts {
		f.configured[a.Name] = true
	}
	return f
}

// pass leaves out their messages.
func (f *foreign) pass(each func(string, *ledger.Record) error) func(string, *ledger.Record) error {
	return func(account string, r *ledger.Record) error {
		if !f.configured[account] {
			f.names[account] = true
			return nil
		}
		return each(account, r)
	}
}

// tell says whose messages were left out.
func (f *foreign) tell(p *program) {
	for _, name := range slices.Sorted(maps.Keys(f.names)) {
		p.tell("the ledger also has messages of %s, which is not in this configuration: popferry messages --account %[1]s", name)
	}
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

package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// accountStatus is one account in status --json: part of the contract.
type accountStatus struct {
	Name        string     `json:"name"`
	LastPoll    *time.Time `json:"last_poll"`
	LastSuccess *time.Time `json:"last_success"`
	NextPoll    *time.Time `json:"next_poll"`
	Failures    int        `json:"failures"`
	LastError   string     `json:"last_error"`
	OnServer    int        `json:"on_server"`
	Forwarded   int        `json:"forwarded"`
	Held        int        `json:"held"`
	Deferred    int        `json:"deferred"`
	Skipped     int        `json:"skipped"`
	Unknown     int        `json:"unknown"`

	cause ledger.Cause
}

func (p *program) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:               "status",
		Short:             "Show what became of each account",
		Args:              usageArgs(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.loadToLook()
			if err != nil {
				return err
			}
			list, err := statusOf(c.Context(), cfg)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(p.stdout, statusDocument(list))
			}
			return p.printStatus(list)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return p.withConfig(c)
}

// statusOf reads the ledger for the configured accounts.
func statusOf(ctx context.Context, cfg *config.Config) (list []accountStatus, err error) {
	store, err := readLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if store != nil {
		defer store.Close()
	}
	r, err := rowsOf(ctx, store)
	if err != nil {
		return nil, err
	}
	return statusIn(cfg.Accounts, r), nil
}

// statusIn is what a ledger has of these accounts.
func statusIn(accounts []config.Account, r rows) []accountStatus {
	list := []accountStatus{}
	for _, c := range accounts {
		a := r.account(c)
		list = append(list, newStatus(c.Name, a, r.counts[a.ID]))
	}
	return list
}

// rowsOf reads a ledger's rows; a nil one has none.
func rowsOf(ctx context.Context, store *sqlite.Store) (r rows, err error) {
	if store == nil {
		return r, nil
	}
	accounts, err := store.Accounts(ctx)
	if err != nil {
		return r, err
	}
	r.known = make(map[string]ledger.Account, len(accounts))
	for _, a := range accounts {
		r.known[a.Name] = a
	}
	if r.counts, err = store.Counts(ctx); err != nil {
		return r, err
	}
	destinations, err := store.Destinations(ctx)
	r.destinations = make(map[string]ledger.Destination, len(destinations))
	for _, d := range destinations {
		r.destinations[d.Name] = d
	}
	return r, err
}

// account is what the ledger has of an account, which waits with a destination
// that fails: while that backs off it is not polled.
func (r rows) account(c config.Account) ledger.Account {
	a, d := r.known[c.Name], r.destinations[c.Forward]
	if d.Failures == 0 {
		return a
	}
	if d.NotBefore.After(a.NotBefore) {
		a.NotBefore = d.NotBefore
	}
	if a.Cause == (ledger.Cause{}) {
		a.Cause = d.Cause
	}
	return a
}

// statusDocument is the whole of status --json.
func statusDocument(list []accountStatus) any { return map[string]any{"accounts": list} }

// nextPoll is when an account is polled again, back-offs included.
func nextPoll(a ledger.Account) time.Time {
	if a.NotBefore.After(a.NextPoll) {
		return a.NotBefore
	}
	return a.NextPoll
}

func newStatus(name string, a ledger.Account, n map[ledger.State]int) accountStatus {
	return accountStatus{
		Name:        name,
		LastPoll:    when(a.LastPoll),
		LastSuccess: when(a.LastSuccess),
		NextPoll:    when(nextPoll(a)),
		Failures:    a.Failures,
		LastError:   a.Cause.Text,
		OnServer:    a.OnServer,
		Forwarded:   n[ledger.Forwarded],
		Held:        n[ledger.Held],
		Deferred:    n[ledger.Deferred],
		Skipped:     n[ledger.Skipped],
		Unknown:     n[ledger.Unknown] + n[ledger.Sending],
		cause:       a.Cause,
	}
}

func (p *program) printStatus(list []accountStatus) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ACCOUNT\tLAST POLL\tLAST SUCCESS\tNEXT POLL\tFORWARDED\tHELD\tDEFERRED\tSKIPPED\tON SERVER")
	for _, s := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", s.Name, shownTime(s.LastPoll), shownTime(s.LastSuccess), shownTime(s.NextPoll),
			s.Forwarded, s.Held, s.Deferred+s.Unknown, s.Skipped, s.OnServer)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range list {
		if s.LastError == "" {
			continue
		}
		if _, err := fmt.Fprintf(p.stdout, "\n%s\n", cause.StoredLine(s.Name, s.cause)); err != nil {
			return err
		}
	}
	return nil
}

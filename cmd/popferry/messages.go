package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// messageStatus is one message in messages --json: part of the contract.
type messageStatus struct {
	Account     string     `json:"account"`
	UID         string     `json:"uid"` // octets read as Latin-1
	State       string     `json:"state"`
	Size        int64      `json:"size"`
	MessageID   string     `json:"message_id"`
	From        string     `json:"from"`
	Subject     string     `json:"subject"`
	FirstSeen   *time.Time `json:"first_seen"`
	Attempts    int        `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt"`
	LastError   string     `json:"last_error"`
	ForwardedAt *time.Time `json:"forwarded_at"`
	DeletedAt   *time.Time `json:"deleted_at"`
}

func (p *program) messagesCommand() *cobra.Command {
	var account, state string
	var asJSON bool
	c := &cobra.Command{
		Use:               "messages",
		Short:             "Show what the ledger knows of each message",
		Args:              usageArgs(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			f := ledger.Filter{Account: account}
			if state != "" {
				var err error
				if f.State, err = ledger.ParseState(state); err != nil {
					return usage(c, err)
				}
			}
			cfg, err := p.loadToLook()
			if err != nil {
				return err
			}
			return p.messages(c.Context(), cfg, f, asJSON)
		},
	}
	c.Flags().StringVar(&account, "account", "", "only those of this `ACCOUNT`")
	c.Flags().StringVar(&state, "state", "", "only those in this `STATE`: "+stateNames())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	completeFlag(c, "account", p.completeAccount)
	completeFlag(c, "state", completeStates(func(ledger.State) bool { return true }))
	return p.withConfig(c)
}

func stateNames() string {
	var names []string
	for _, s := range ledger.States() {
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}

// messages prints as it reads: a ledger can have a million rows.
func (p *program) messages(ctx context.Context, cfg *config.Config, f ledger.Filter, asJSON bool) error {
	print := tablePrinter(p.stdout)
	if asJSON {
		print = jsonPrinter(p.stdout)
	}
	store, err := readLedger(ctx, cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	if err := checkAccount(ctx, cfg, store, f.Account); err != nil {
		return err
	}
	if store != nil {
		err = store.Messages(ctx, f, func(account string, r *ledger.Record) error {
			return print.each(newMessageStatus(account, r))
		})
	}
	if err != nil {
		return err
	}
	return print.end()
}

// checkAccount refuses a name that neither the configuration nor the ledger
// knows: no messages would look like an answer. An empty one is for all.
func checkAccount(ctx context.Context, cfg *config.Config, store *sqlite.Store, name string) error {
	if name == "" || slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Name == name }) {
		return nil
	}
	if store != nil {
		accounts, err := store.Accounts(ctx)
		if err != nil || slices.ContainsFunc(accounts, func(a ledger.Account) bool { return a.Name == name }) {
			return err
		}
	}
	return &app.UsageError{Err: fmt.Errorf("%w, and the ledger knows none either", noAccount(cfg, name))}
}

// readLedger opens the ledger to look at it; nil if there is none yet.
func readLedger(ctx context.Context, cfg *config.Config) (*sqlite.Store, error) {
	look := *cfg
	look.StateCreate = false
	store, err := openLedger(ctx, &look)
	if errors.Is(err, ledger.ErrMissing) && cfg.StateCreate {
		return nil, nil
	}
	return store, err
}

func newMessageStatus(account string, r *ledger.Record) messageStatus {
	size := r.MessageSize
	if size == 0 {
		size = max(r.Size, 0)
	}
	return messageStatus{
		Account:     account,
		UID:         report.UID(r.UID),
		State:       r.State.String(),
		Size:        size,
		MessageID:   r.Excerpt.MessageID,
		From:        r.Excerpt.From,
		Subject:     r.Excerpt.Subject,
		FirstSeen:   when(r.FirstSeen),
		Attempts:    r.Attempts,
		NextAttempt: when(r.NextAttempt),
		LastError:   r.Cause.Text,
		ForwardedAt: when(r.ForwardedAt),
		DeletedAt:   when(r.DeletedAt),
	}
}

// printer prints messages one at a time.
type printer struct {
	each func(messageStatus) error
	end  func() error
}

// jsonPrinter writes an array, a message a line.
func jsonPrinter(w io.Writer) printer {
	before := "["
	return printer{
		each: func(m messageStatus) error {
			b, err := json.Marshal(m)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%s\n%s", before, b)
			before = ","
			return err
		},
		end: func() error {
			if before == "[" {
				_, err := fmt.Fprintln(w, "[]")
				return err
			}
			_, err := fmt.Fprintln(w, "\n]")
			return err
		},
	}
}

// cellWidth is how long a cell of a table gets, in characters.
const cellWidth = 60

func tablePrinter(out io.Writer) printer {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ACCOUNT\tUID\tSTATE\tSIZE\tFROM\tSUBJECT\tERROR")
	return printer{
		each: func(m messageStatus) error {
			_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", m.Account, terminal.Printable(m.UID, cellWidth), m.State, m.Size, terminal.Printable(m.From, cellWidth), terminal.Printable(m.Subject, cellWidth), terminal.Printable(m.LastError, cellWidth))
			return err
		},
		end: w.Flush,
	}
}

// when is a time for JSON: null where nothing has happened yet.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func shownTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

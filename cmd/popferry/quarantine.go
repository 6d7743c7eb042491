package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder/maildir"
)

func (p *program) quarantineCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "List refused messages that the ledger's database keeps",
		Long: "Lists the messages that were refused for good and put into quarantine (on_reject: quarantine), where the ledger is a\n" +
			"database. Each has a NAME, which is the id in its X-Popferry-Trace field. They stay until you delete them.\n\n" +
			"Where the ledger is a file, such messages are in the Maildir quarantine_dir; any mail program can open it.",
		Args: argsAre(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.inQuarantine(c.Context(), func(ctx context.Context, keeper ledger.Keeper) error {
				list, err := keeper.Quarantine(ctx)
				if err != nil {
					return err
				}
				return p.listQuarantine(list, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(p.quarantineShow(), p.quarantineExport(), p.quarantineDelete())
	return p.withConfig(c)
}

func (p *program) quarantineShow() *cobra.Command {
	return p.withConfig(&cobra.Command{
		Use:               "show NAME",
		Short:             "Print a message in quarantine",
		Args:              argsAre("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return p.inQuarantine(c.Context(), func(ctx context.Context, keeper ledger.Keeper) error {
				octets, err := keeper.OpenQuarantine(ctx, args[0])
				if err != nil {
					return notInQuarantine(args[0], err)
				}
				if !terminal.Is(p.stdout) {
					_, err = octets.WriteTo(p.stdout)
					return err
				}
				out := terminal.NewEscaper(p.stdout)
				_, err = octets.WriteTo(out)
				return cmp.Or(err, out.Close())
			})
		},
	})
}

func (p *program) quarantineExport() *cobra.Command {
	return p.withConfig(&cobra.Command{
		Use:   "export FOLDER [NAME...]",
		Short: "Write messages in quarantine to a Maildir",
		Long:  "Writes all messages in quarantine, or those that you name, to a Maildir, which is made if it does not exist. They stay\nin quarantine. A message that the folder has already is not written again.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(c, errors.New("to which folder?"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return p.inQuarantine(c.Context(), func(ctx context.Context, keeper ledger.Keeper) error {
				names := args[1:]
				if len(names) == 0 {
					list, err := keeper.Quarantine(ctx)
					if err != nil {
						return err
					}
					for _, q := range list {
						names = append(names, q.Trace)
					}
				}
				for _, name := range names {
					path, err := export(ctx, keeper, name, args[0])
					if err != nil {
						return err
					}
					if _, err := fmt.Fprintln(p.stdout, path); err != nil {
						return err
					}
				}
				return nil
			})
		},
	})
}

// export writes a message to a Maildir, and returns the path of its file.
func export(ctx context.Context, keeper ledger.Keeper, name, folder string) (path string, err error) {
	octets, err := keeper.OpenQuarantine(ctx, name)
	if err != nil {
		return "", notInQuarantine(name, err)
	}
	r, w := io.Pipe()
	defer r.Close() // ends the writing, too
	go func() {
		_, err := octets.WriteTo(w)
		w.CloseWithError(err)
	}()
	return maildir.New(folder).Store(ctx, name, r)
}

func (p *program) quarantineDelete() *cobra.Command {
	return p.withConfig(&cobra.Command{
		Use:               "delete NAME...",
		Short:             "Delete messages from quarantine, for good",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			return p.inQuarantine(c.Context(), func(ctx context.Context, keeper ledger.Keeper) error {
				for _, name := range args {
					if err := keeper.DropQuarantine(ctx, name); err != nil {
						return notInQuarantine(name, err)
					}
					if _, err := fmt.Fprintf(p.stdout, "%s deleted\n", name); err != nil {
						return err
					}
				}
				return nil
			})
		},
	})
}

func notInQuarantine(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ledger.ErrNotFound) {
		return fmt.Errorf("no message %q is in quarantine; popferry quarantine lists them", name)
	}
	return err
}

// inQuarantine calls do with the ledger, if that keeps such messages.
func (p *program) inQuarantine(ctx context.Context, do func(context.Context, ledger.Keeper) error) (err error) {
	cfg, err := p.loadReadOnly()
	if err != nil {
		return err
	}
	if cfg.Shared == nil {
		return &app.UsageError{Err: fmt.Errorf("the ledger is a file (%s): messages in quarantine are in the Maildir quarantine_dir of their destination; open it with a mail program", cfg.State)}
	}
	store, err := app.ReadLedger(ctx, cfg)
	if err != nil {
		return err
	}
	var keeper ledger.Keeper = emptyQuarantine{} // there is no ledger yet
	if store != nil {
		defer func() { err = errors.Join(err, store.Close()) }()
		keeper = store.(ledger.Keeper) // a database is one
	}
	if err := do(ctx, keeper); err != nil {
		return cause.Explain("quarantine", err)
	}
	return nil
}

// emptyQuarantine is a ledger that has nothing.
type emptyQuarantine struct{}

func (emptyQuarantine) OpenCopy(context.Context, int64, string) (io.WriterTo, error) {
	return nil, fs.ErrNotExist
}

func (emptyQuarantine) Quarantine(context.Context) ([]ledger.Quarantined, error) { return nil, nil }

func (emptyQuarantine) OpenQuarantine(context.Context, string) (io.WriterTo, error) {
	return nil, fs.ErrNotExist
}

func (emptyQuarantine) DropQuarantine(context.Context, string) error { return ledger.ErrNotFound }

// quarantinedJSON is a message in quarantine --json: part of the contract.
type quarantinedJSON struct {
	Name    string    `json:"name"`
	Account string    `json:"account"`
	Stored  time.Time `json:"stored"`
	Size    int64     `json:"size"`
}

func (p *program) listQuarantine(list []ledger.Quarantined, asJSON bool) error {
	if asJSON {
		all := make([]quarantinedJSON, len(list))
		for i, q := range list {
			all[i] = quarantinedJSON{q.Trace, q.Account, q.Stored, q.Size}
		}
		return report.WriteJSON(p.stdout, all)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(p.prose(p.stdout), "no messages are in quarantine")
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tACCOUNT\tSTORED\tOCTETS") // Flush has the error
	for _, q := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", q.Trace, q.Account, q.Stored.Local().Format("2006-01-02 15:04"), q.Size)
	}
	return w.Flush()
}

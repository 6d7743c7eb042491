package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

func (p *program) showCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:   "show ACCOUNT UID",
		Short: "Fetch and print one message",
		Long: "Prints a message as its server has it, octet by octet; on a terminal, control characters come as escapes.\n" +
			"It logs in for that, and neither the mailbox nor the ledger is changed by it.\n\n" +
			"ACCOUNT and UID are written as popferry messages --json has them; a UID that begins with a dash goes behind \"--\".\n" +
			"Several messages under one UID: the latest.",
		Args:              argsAre("ACCOUNT", "UID"),
		ValidArgsFunction: p.completeAccounts(1),
		RunE: func(c *cobra.Command, args []string) error {
			uid, err := parseUID(args[1])
			if err != nil {
				return usage(c, err)
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			return p.atDesk(c.Context(), cfg, args[0], func(d *desk) error {
				return d.underLease(c.Context(), wait, func() error { return d.show(c.Context(), uid) })
			})
		},
	}
	return p.withConfig(withWait(c, &wait))
}

// show prints the message under a UID, from its server or from our copy of it.
func (d *desk) show(ctx context.Context, uid string) error {
	rows, err := d.messages(ctx, ledger.Filter{UID: uid})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("%s: the ledger has no message with the UID %s; popferry messages --account %[1]s shows what there is", d.account.Name, shownUID(uid))
	}
	rec := latest(rows)
	out := io.WriteCloser(plain{d.stdout})
	if terminal.Is(d.stdout) {
		out = terminal.NewEscaper(d.stdout)
	}
	if rec.Spool != "" {
		err = copyFile(out, filepath.Join(keptDir(d.cfg), rec.Spool))
	} else {
		err = d.fetch(ctx, rec, rows, out)
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return cause.Explain(d.account.Name, err)
	}
	return nil
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	_, err = io.Copy(w, f)
	return err
}

// latest is the message under a UID that is most likely meant: the last one
// that is not deleted on its server, else the last one.
func latest(rows []*ledger.Record) *ledger.Record {
	best := rows[0]
	for _, r := range rows[1:] {
		if r.DeletedAt.IsZero() || !best.DeletedAt.IsZero() {
			best = r
		}
	}
	return best
}

// fetch prints a message from its server.
func (d *desk) fetch(ctx context.Context, rec *ledger.Record, rows []*ledger.Record, w io.Writer) error {
	configured, err := d.configured()
	if err != nil {
		return err
	}
	account, err := d.wiring.account(configured)
	if err != nil {
		return &app.ConfigError{Err: err}
	}
	row, err := d.lease.Account(ctx)
	if err != nil {
		return err
	}
	m := fetcher.Wanted{Known: rec.Known, Server: row.Server}
	for _, r := range rows {
		m.Rows = append(m.Rows, r.Known)
	}
	return fetcher.Show(ctx, account, m, w)
}

// configured is how the configuration reaches the account's mailbox, under
// whatever name it is there now.
func (d *desk) configured() (config.Account, error) {
	for _, c := range d.cfg.Accounts {
		claimed, err := ledger.Claim([]ledger.Account{d.account}, []ledger.Identity{{Name: c.Name, Username: c.Username, Host: c.Host}})
		if err != nil {
			return config.Account{}, &app.ConfigError{Err: err}
		}
		if claimed[0].ID == d.account.ID {
			return c, nil
		}
	}
	return config.Account{}, &app.ConfigError{Err: fmt.Errorf("%s has no account for %s at %s: nothing tells how to log in", d.cfg.Path, d.account.Username, d.account.Host)}
}

// plain leaves octets as they are.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

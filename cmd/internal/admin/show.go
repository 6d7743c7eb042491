package admin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
)

// Show writes the message with a UID to w: from popferry's copy in copyDir if
// there is one, else from its server, which source says how to reach. If
// several messages have had the UID, the latest is shown.
func (l *Leased) Show(ctx context.Context, uid, copyDir string, source func() (fetcher.Account, error), w io.Writer) error {
	rows, err := l.Messages(ctx, ledger.Filter{UID: uid})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("%w; to list the account's messages: popferry messages --account %s", l.noMessage(uid), l.Name)
	}
	rec := latest(rows)
	if rec.CopyFile != "" {
		err = l.copyTo(ctx, w, copyDir, rec)
	} else {
		err = l.fetch(ctx, rec, rows, source, w)
	}
	if err != nil {
		if _, ok := errors.AsType[*app.ConfigError](err); ok {
			return err // it says all
		}
		return cause.Explain(l.Name, err)
	}
	return nil
}

// copyTo writes the copy of a message to w.
func (l *Leased) copyTo(ctx context.Context, w io.Writer, dir string, rec *ledger.Record) error {
	if keeper, ok := l.store.(ledger.Keeper); ok {
		octets, err := keeper.OpenCopy(ctx, l.ID, rec.CopyFile)
		if err == nil {
			_, err = octets.WriteTo(w)
		}
		return err
	}
	f, err := copies.Open(dir, rec.CopyFile)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	_, err = io.Copy(w, f)
	return err
}

// latest is the last of the messages that is not deleted on its server, else
// the last of all.
func latest(rows []*ledger.Record) *ledger.Record {
	best := rows[0]
	for _, r := range rows[1:] {
		if r.DeletedAt.IsZero() || !best.DeletedAt.IsZero() {
			best = r
		}
	}
	return best
}

// fetch writes a message as its server has it.
func (l *Leased) fetch(ctx context.Context, rec *ledger.Record, rows []*ledger.Record, source func() (fetcher.Account, error), w io.Writer) error {
	account, err := source()
	if err != nil {
		return err
	}
	row, err := l.lease.Account(ctx)
	if err != nil {
		return err
	}
	m := mailbox.Wanted{Known: rec.Known, Server: row.Server}
	for _, r := range rows {
		m.Rows = append(m.Rows, r.Known)
	}
	return mailbox.Show(ctx, account.Source, account.Policy, m, w)
}

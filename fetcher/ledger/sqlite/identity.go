package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Rename gives the account another name, and with another user name or host
// another mailbox: its UIDs count as seen there. What was learnt of a server
// is forgotten with its host. A name that another account has is
// ledger.ErrNameTaken, and nothing changes.
func (l *Lease) Rename(ctx context.Context, to ledger.Identity) error {
	defer l.row.Store(nil)
	return l.write(ctx, func(c *session) error {
		var other int64
		switch err := c.scan("SELECT id FROM accounts WHERE name = ? AND id <> ?", []any{to.Name, l.account}, &other); {
		case err == nil:
			return ledger.ErrNameTaken
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		n, err := c.affect(`UPDATE accounts SET server = CASE WHEN host = ? COLLATE NOCASE THEN server ELSE '{}' END,
			(name, username, host) = (?, ?, ?) WHERE id = ?`, to.Host, to.Name, to.Username, to.Host, l.account)
		if err == nil && n == 0 {
			err = ledger.ErrNotFound
		}
		return err
	})
}

// Forget removes the account with all its messages and counts, and returns how
// many messages. The lease is of no more use than to be released.
func (l *Lease) Forget(ctx context.Context) (messages int, err error) {
	defer l.row.Store(nil)
	err = l.write(ctx, func(c *session) error {
		if err := c.scan("SELECT count(*) FROM messages WHERE account = ?", []any{l.account}, &messages); err != nil {
			return err
		}
		n, err := c.affect("DELETE FROM accounts WHERE id = ?", l.account) // the rest cascades
		if err == nil && n == 0 {
			err = ledger.ErrNotFound
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return messages, nil
}

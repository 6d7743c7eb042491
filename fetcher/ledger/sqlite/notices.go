package sqlite

import (
	"context"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Notices returns what the user was notified of, by account.
func (s *Store) Notices(ctx context.Context) ([]ledger.Notice, error) {
	fields := func(n *ledger.Notice) []any {
		return []any{&n.Account, (*millis)(&n.Since), (*millis)(&n.Told), (*ids)(&n.Held), (*millis)(&n.HeldAt)}
	}
	list, err := query(ctx, s.read, fields, "SELECT account, since, told, held, held_at FROM notices ORDER BY account")
	return list, explain("read the ledger", s.path, err)
}

// PutNotices writes what the user was notified of, for all of these accounts
// or for none.
func (s *Store) PutNotices(ctx context.Context, list ...ledger.Notice) error {
	return s.write(ctx, func(c *writeConn) error {
		for _, n := range list {
			if _, err := c.exec("REPLACE INTO notices (account, since, told, held, held_at) VALUES (?, ?, ?, ?, ?)",
				n.Account, millis(n.Since), millis(n.Told), ids(n.Held), millis(n.HeldAt)); err != nil {
				return err
			}
		}
		return nil
	})
}

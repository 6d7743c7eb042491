package sqlite

import (
	"context"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Notices returns what was told, by account.
func (s *Store) Notices(ctx context.Context) ([]ledger.Notice, error) {
	list, err := s.notices(ctx)
	return list, explain("read the ledger", s.path, err)
}

func (s *Store) notices(ctx context.Context) (list []ledger.Notice, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT account, since, told, held, held_at FROM notices ORDER BY account")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n ledger.Notice
		if err := rows.Scan(&n.Account, (*millis)(&n.Since), (*millis)(&n.Told), (*ids)(&n.Held), (*millis)(&n.HeldAt)); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// PutNotices writes what was told, for each of these accounts, all or none.
func (s *Store) PutNotices(ctx context.Context, list ...ledger.Notice) error {
	return s.write(ctx, func(c *session) error {
		for _, n := range list {
			if _, err := c.exec("REPLACE INTO notices (account, since, told, held, held_at) VALUES (?, ?, ?, ?, ?)",
				n.Account, millis(n.Since), millis(n.Told), ids(n.Held), millis(n.HeldAt)); err != nil {
				return err
			}
		}
		return nil
	})
}

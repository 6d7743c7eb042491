package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Notices returns what the user was notified of, by account.
func (s *Store) Notices(ctx context.Context) ([]ledger.Notice, error) {
	fields := func(n *ledger.Notice) []any {
		return []any{&n.Account, (*moment)(&n.Since), (*moment)(&n.Told), &n.Held, (*moment)(&n.HeldAt)}
	}
	return query(ctx, s, fields, "SELECT account, since, told, nullif(held, '{}'), held_at FROM notices ORDER BY account")
}

// PutNotices writes what the user was notified of, for all of these accounts
// or for none.
func (s *Store) PutNotices(ctx context.Context, list ...ledger.Notice) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		for _, n := range list {
			b.Queue(`INSERT INTO notices (account, since, told, held, held_at) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (account) DO UPDATE SET (since, told, held, held_at) = (excluded.since, excluded.told, excluded.held, excluded.held_at)`,
				n.Account, moment(n.Since), moment(n.Told), append([]int64{}, n.Held...), moment(n.HeldAt))
		}
	}))
}

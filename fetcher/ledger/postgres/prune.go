package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Prune forgets messages that have left their server for good: those that it was
// last seen to have before ledger.Account.Forget says. It returns their number. It
// keeps messages that are not forwarded or that have a copy here, accounts whose
// lease is taken, and, where a server hides what was retrieved, all that it was not
// told to delete, for a change of its settings may bring that back.
func (s *Store) Prune(ctx context.Context) (pruned int, err error) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range accounts {
		n, err := s.pruneAccount(ctx, a)
		if pruned += n; err != nil {
			return pruned, err
		}
	}
	return pruned, nil
}

const (
	// toPrune are the rows of an account that can be forgotten.
	toPrune = `SELECT id FROM messages WHERE account = $1 AND missing_since < $2 AND copy = ''
		AND state IN ('forwarded', 'skipped', 'gone') AND (deleted_at IS NOT NULL OR NOT $3)`
	// pruneGroup is how many rows are deleted at once.
	pruneGroup = 1000
)

// pruneAccount prunes under the lease: a poll must not lose a row that it has read.
func (s *Store) pruneAccount(ctx context.Context, a ledger.Account) (pruned int, err error) {
	before := a.Forget(s.Now())
	if before.IsZero() {
		return 0, nil
	}
	args := []any{a.ID, moment(before), a.Server.MayShowAgain()}
	var some bool
	if err := s.scan(ctx, "SELECT EXISTS ("+toPrune+")", args, &some); err != nil || !some {
		return 0, err
	}
	l, err := s.lease(ctx, a.ID)
	if err != nil {
		if errors.Is(err, ledger.ErrLeased) {
			return 0, nil // another time
		}
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	for {
		var n int
		// In groups, so that other accounts need not wait; a row that comes back after
		// a crash is pruned again.
		err := l.write(ctx, &change{async: true, alone: true, queue: func(b *pgx.Batch, _ *counts) {
			b.Queue("DELETE FROM messages WHERE id IN ("+toPrune+" LIMIT $4)", append(args, pruneGroup)...).Exec(func(tag pgconn.CommandTag) error {
				n = int(tag.RowsAffected())
				return nil
			})
		}})
		if pruned += n; err != nil || n < pruneGroup {
			return pruned, err
		}
	}
}

package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// routeColumns are scanned into routeFields.
const routeColumns = "destination, server, recipients, failures, not_before, cause_code, cause_text, last_success, facts, tried"

func routeFields(r *ledger.Route) []any {
	return []any{&r.Destination, &r.Server, &r.Recipients, &r.Failures, (*moment)(&r.NotBefore), &r.Cause.Code, &r.Cause.Text, (*moment)(&r.LastSuccess), &r.Facts, &r.Tried}
}

func routeHash(key ledger.RouteKey) octets { return hash(key.Destination, key.Server, key.Recipients) }

// Route returns what is remembered of a route. If that is nothing, only the key
// is set.
func (s *Store) Route(ctx context.Context, key ledger.RouteKey) (r ledger.Route, err error) {
	err = s.scan(ctx, "SELECT "+routeColumns+" FROM routes WHERE key = $1", []any{routeHash(key)}, routeFields(&r)...)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	r.RouteKey = key
	return r, err
}

// Routes returns what is remembered of all routes, by key, including those that
// are no longer configured.
func (s *Store) Routes(ctx context.Context) ([]ledger.Route, error) {
	return query(ctx, s, routeFields, "SELECT "+routeColumns+" FROM routes ORDER BY destination, server, recipients")
}

// PutRoute writes what is remembered of a route. A failure counts only if the
// route still is as it was when the poll began: of several polls that fail at the
// same time, one counts. A success always does, also where an earlier one was noted
// under a clock that was ahead. The facts are not written.
// PutRoute does not wait for the disk: no message depends on it.
func (s *Store) PutRoute(ctx context.Context, was, is ledger.Route) error {
	return s.putRoute(ctx, `INSERT INTO routes AS r (key, destination, server, recipients, failures, not_before, cause_code, cause_text, tried, last_success) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (key) DO UPDATE SET
			(failures, not_before, cause_code, cause_text, tried, last_success) =
			(excluded.failures, excluded.not_before, excluded.cause_code, excluded.cause_text, excluded.tried,
				CASE WHEN excluded.failures = 0 THEN excluded.last_success ELSE greatest(r.last_success, excluded.last_success) END)
		WHERE excluded.failures = 0 OR (r.failures, r.not_before) IS NOT DISTINCT FROM ($11::integer, $12::timestamptz)`, is.RouteKey,
		is.Failures, moment(is.NotBefore), text(is.Cause.Code), text(is.Cause.Text), is.Tried, moment(is.LastSuccess), was.Failures, moment(was.NotBefore))
}

// PutFacts writes what was learnt of a destination's server, without waiting for
// the disk.
func (s *Store) PutFacts(ctx context.Context, key ledger.RouteKey, facts string) error {
	return s.putRoute(ctx, `INSERT INTO routes (key, destination, server, recipients, failures, facts) VALUES ($1, $2, $3, $4, 0, $5)
		ON CONFLICT (key) DO UPDATE SET facts = excluded.facts`, key, text(facts))
}

// putRoute runs a statement whose first arguments are a route's key.
func (s *Store) putRoute(ctx context.Context, statement string, key ledger.RouteKey, args ...any) error {
	all := append([]any{routeHash(key), text(key.Destination), text(key.Server), text(key.Recipients)}, args...)
	return s.write(ctx, &change{async: true, alone: true, queue: func(b *pgx.Batch, _ *counts) { b.Queue(statement, all...) }})
}

// Notices returns what the user was notified of, by account.
func (s *Store) Notices(ctx context.Context) ([]ledger.Notice, error) {
	fields := func(n *ledger.Notice) []any {
		return []any{&n.Account, (*moment)(&n.Since), (*moment)(&n.Told), &n.Held, &n.Late, (*moment)(&n.HeldAt)}
	}
	return query(ctx, s, fields, "SELECT account, since, told, nullif(held, '{}'), nullif(late, '{}'), held_at FROM notices ORDER BY account")
}

const putNotice = `INSERT INTO notices (account, since, told, held, late, held_at) VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (account) DO UPDATE SET (since, told, held, late, held_at) = (excluded.since, excluded.told, excluded.held, excluded.late, excluded.held_at)`

func noticeValues(n ledger.Notice) []any {
	return []any{n.Account, moment(n.Since), moment(n.Told), append([]int64{}, n.Held...), append([]int64{}, n.Late...), moment(n.HeldAt)}
}

// PutNotices writes what the user was notified of, for all of these accounts
// or for none.
func (s *Store) PutNotices(ctx context.Context, list ...ledger.Notice) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		for _, n := range list {
			b.Queue(putNotice, noticeValues(n)...)
		}
	}))
}

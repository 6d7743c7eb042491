package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// routeColumns are scanned into routeFields.
const routeColumns = "destination, server, recipients, failures, not_before, cause_code, cause_text, last_success, facts, tried"

func routeFields(r *ledger.Route) []any {
	return []any{&r.Destination, &r.Server, &r.Recipients, &r.Failures, (*millis)(&r.NotBefore), &r.Cause.Code, &r.Cause.Text, (*millis)(&r.LastSuccess), &r.Facts, asJSON[ledger.Tried]{&r.Tried}}
}

// Route returns what is remembered of a route. If that is nothing, only the key
// is set.
func (s *Store) Route(ctx context.Context, key ledger.RouteKey) (ledger.Route, error) {
	r := ledger.Route{RouteKey: key}
	err := s.read.scan(ctx, "SELECT "+routeColumns+" FROM routes WHERE (destination, server, recipients) = (?, ?, ?)",
		[]any{key.Destination, key.Server, key.Recipients}, routeFields(&r)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return r, explain("read the ledger", s.path, err)
}

// Routes returns what is remembered of all routes, by key, including those that
// are no longer configured.
func (s *Store) Routes(ctx context.Context) ([]ledger.Route, error) {
	list, err := query(ctx, s.read, routeFields, "SELECT "+routeColumns+" FROM routes ORDER BY destination, server, recipients")
	return list, explain("read the ledger", s.path, err)
}

// PutRoute writes what is remembered of a route. A failure counts only if the
// route still is as it was when the poll began: of several polls that fail at the
// same time, one counts. A success always does, also where an earlier one was noted
// under a clock that was ahead. The facts are not written.
// PutRoute does not wait for the disk: no message depends on it.
func (s *Store) PutRoute(ctx context.Context, was, is ledger.Route) error {
	return s.writeAsync(ctx, func(c *writeConn) error {
		_, err := c.exec(`INSERT INTO routes (destination, server, recipients, failures, not_before, cause_code, cause_text, tried, last_success) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (destination, server, recipients) DO UPDATE SET
				(failures, not_before, cause_code, cause_text, tried, last_success) =
				(excluded.failures, excluded.not_before, excluded.cause_code, excluded.cause_text, excluded.tried, iif(excluded.failures = 0 OR last_success IS NULL OR last_success < excluded.last_success, excluded.last_success, last_success))
			WHERE excluded.failures = 0 OR (failures, not_before) IS (?, ?)`,
			is.Destination, is.Server, is.Recipients, is.Failures, millis(is.NotBefore), is.Cause.Code, is.Cause.Text, asJSON[ledger.Tried]{&is.Tried}, millis(is.LastSuccess),
			was.Failures, millis(was.NotBefore))
		return err
	})
}

// PutFacts writes what was learnt of a destination's server, without waiting for
// the disk.
func (s *Store) PutFacts(ctx context.Context, key ledger.RouteKey, facts string) error {
	return s.writeAsync(ctx, func(c *writeConn) error {
		_, err := c.exec(`INSERT INTO routes (destination, server, recipients, failures, cause_code, cause_text, facts) VALUES (?, ?, ?, 0, '', '', ?)
			ON CONFLICT (destination, server, recipients) DO UPDATE SET facts = excluded.facts`,
			key.Destination, key.Server, key.Recipients, facts)
		return err
	})
}

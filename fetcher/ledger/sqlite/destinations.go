package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Destination returns what is remembered of a destination; if nothing is, the
// zero value but for the name.
func (s *Store) Destination(ctx context.Context, name string) (ledger.Destination, error) {
	d := ledger.Destination{Name: name}
	err := s.read.scan(ctx, "SELECT failures, not_before, cause_code, cause_text, last_success FROM destinations WHERE name = ?", []any{name},
		&d.Failures, (*millis)(&d.NotBefore), &d.Cause.Code, &d.Cause.Text, (*millis)(&d.LastSuccess))
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return d, explain("read the ledger", s.path, err)
}

// PutDestination writes what is remembered of a destination.
func (s *Store) PutDestination(ctx context.Context, d ledger.Destination) error {
	return s.write(ctx, func(c *session) error {
		_, err := c.exec("REPLACE INTO destinations (name, failures, not_before, cause_code, cause_text, last_success) VALUES (?, ?, ?, ?, ?, ?)",
			d.Name, d.Failures, millis(d.NotBefore), d.Cause.Code, d.Cause.Text, millis(d.LastSuccess))
		return err
	})
}

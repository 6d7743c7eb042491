package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// destinationColumns are scanned into destinationFields.
const destinationColumns = "name, failures, not_before, cause_code, cause_text, last_success"

func destinationFields(d *ledger.Destination) []any {
	return []any{&d.Name, &d.Failures, (*millis)(&d.NotBefore), &d.Cause.Code, &d.Cause.Text, (*millis)(&d.LastSuccess)}
}

// Destination returns what is remembered of a destination. If that is nothing,
// only the name is set.
func (s *Store) Destination(ctx context.Context, name string) (ledger.Destination, error) {
	d := ledger.Destination{Name: name}
	err := s.read.scan(ctx, "SELECT "+destinationColumns+" FROM destinations WHERE name = ?", []any{name}, destinationFields(&d)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return d, explain("read the ledger", s.path, err)
}

// Destinations returns what is remembered of all destinations, by name,
// including those that are no longer configured.
func (s *Store) Destinations(ctx context.Context) ([]ledger.Destination, error) {
	list, err := query(ctx, s.read, destinationFields, "SELECT "+destinationColumns+" FROM destinations ORDER BY name")
	return list, explain("read the ledger", s.path, err)
}

// PutDestination writes what is remembered of a destination. It does not wait
// for the disk: no message depends on it.
func (s *Store) PutDestination(ctx context.Context, d ledger.Destination) error {
	return s.writeAsync(ctx, func(c *writeConn) error {
		_, err := c.exec("REPLACE INTO destinations ("+destinationColumns+") VALUES (?, ?, ?, ?, ?, ?)",
			d.Name, d.Failures, millis(d.NotBefore), d.Cause.Code, d.Cause.Text, millis(d.LastSuccess))
		return err
	})
}

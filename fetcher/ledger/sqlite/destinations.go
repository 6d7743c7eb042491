package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// destinationColumns are the fields of a destination, in this order.
const destinationColumns = "name, failures, not_before, cause_code, cause_text, last_success"

func destinationFields(d *ledger.Destination) []any {
	return []any{&d.Name, &d.Failures, (*millis)(&d.NotBefore), &d.Cause.Code, &d.Cause.Text, (*millis)(&d.LastSuccess)}
}

// Destination returns what is remembered of a destination; if nothing is, the
// zero value but for the name.
func (s *Store) Destination(ctx context.Context, name string) (ledger.Destination, error) {
	d := ledger.Destination{Name: name}
	err := s.read.scan(ctx, "SELECT "+destinationColumns+" FROM destinations WHERE name = ?", []any{name}, destinationFields(&d)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return d, explain("read the ledger", s.path, err)
}

// Destinations returns what is remembered of all destinations, by name, also of
// those that no configuration has any more.
func (s *Store) Destinations(ctx context.Context) ([]ledger.Destination, error) {
	list, err := s.destinations(ctx)
	return list, explain("read the ledger", s.path, err)
}

func (s *Store) destinations(ctx context.Context) (list []ledger.Destination, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+destinationColumns+" FROM destinations ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d ledger.Destination
		if err := rows.Scan(destinationFields(&d)...); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// PutDestination writes what is remembered of a destination. It does not wait
// for the disk: no message depends on it.
func (s *Store) PutDestination(ctx context.Context, d ledger.Destination) error {
	return s.jot(ctx, func(c *session) error {
		_, err := c.exec("REPLACE INTO destinations ("+destinationColumns+") VALUES (?, ?, ?, ?, ?, ?)",
			d.Name, d.Failures, millis(d.NotBefore), d.Cause.Code, d.Cause.Text, millis(d.LastSuccess))
		return err
	})
}

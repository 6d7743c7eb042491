package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

// query returns all rows, each scanned into the fields of a T.
func query[T any](ctx context.Context, s *Store, fields func(*T) []any, text string, args ...any) (list []T, err error) {
	err = s.each(ctx, text, args, func(rows pgx.Rows) error {
		var row T
		if err := rows.Scan(fields(&row)...); err != nil {
			return err
		}
		list = append(list, row)
		return nil
	})
	return list, err
}

// each calls do for each row. A connection of the pool may have been lost since it
// was last used: then it asks once more, by way of another.
func (s *Store) each(ctx context.Context, text string, args []any, do func(pgx.Rows) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	var err error
	for range 1 + readers {
		seen := 0
		err = readError(ctx, s.ask(limited, text, args, func(rows pgx.Rows) error {
			seen++
			return do(rows)
		}))
		if seen > 0 || server.KindOf(err) != server.Away {
			break
		}
	}
	return s.db.Explain("read the ledger", err)
}

func (s *Store) ask(ctx context.Context, text string, args []any, do func(pgx.Rows) error) error {
	rows, err := s.read.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readError tells the caller's end from that of the database's patience.
func readError(ctx context.Context, err error) error {
	switch {
	case err == nil || isAnswer(err):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return server.ErrNoAnswer
	default:
		return err
	}
}

// scan reads the only row of a query, or returns pgx.ErrNoRows.
func (s *Store) scan(ctx context.Context, text string, args []any, fields ...any) error {
	found := false
	err := s.each(ctx, text, args, func(rows pgx.Rows) error {
		found = true
		return rows.Scan(fields...)
	})
	if err == nil && !found {
		err = pgx.ErrNoRows
	}
	return err
}

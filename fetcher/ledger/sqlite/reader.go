package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reader is the pool of connections for reading. It keeps the queries of every
// poll prepared, because preparing one takes longer than running it. Their
// texts must be few and fixed.
type reader struct {
	*sql.DB
	mu         sync.Mutex
	statements map[string]*sql.Stmt
}

func newReader(db *sql.DB) *reader {
	return &reader{DB: db, statements: make(map[string]*sql.Stmt)}
}

// prepared returns the statement of a query, which it keeps.
func (r *reader) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st, ok := r.statements[query]; ok {
		return st, nil
	}
	st, err := r.PrepareContext(ctx, query) //nolint:sqlclosecheck // closed with the reader
	if err != nil {
		return nil, err
	}
	r.statements[query] = st
	return st, nil
}

// scan reads the first row of a prepared query, or returns sql.ErrNoRows.
func (r *reader) scan(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := r.prepared(ctx, query) //nolint:sqlclosecheck // closed with the reader
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(dest...)
}

// Close closes the statements and all connections.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, st := range r.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, r.DB.Close())...)
}

// querier is a connection, a pool of them, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// preparedQueries is a querier that keeps its queries prepared.
type preparedQueries struct{ *reader }

// QueryContext implements querier.
func (p preparedQueries) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := p.prepared(ctx, query) //nolint:sqlclosecheck // closed with the reader
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// query returns all rows, each scanned into the fields of a T.
func query[T any](ctx context.Context, db querier, fields func(*T) []any, text string, args ...any) (list []T, err error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var row T
		if err := rows.Scan(fields(&row)...); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

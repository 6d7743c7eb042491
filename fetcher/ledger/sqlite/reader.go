package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reader is the pool of connections for reading. The queries of every poll are
// kept prepared: to prepare one takes longer than to run it.
type reader struct {
	*sql.DB
	mu         sync.Mutex
	statements map[string]*sql.Stmt
}

func newReader(db *sql.DB) *reader {
	return &reader{DB: db, statements: make(map[string]*sql.Stmt)}
}

// kept is a query of which there are few and fixed texts.
func (r *reader) kept(ctx context.Context, query string) (*sql.Stmt, error) {
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

// scan reads the first row of a kept query; none is sql.ErrNoRows.
func (r *reader) scan(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := r.kept(ctx, query) //nolint:sqlclosecheck // closed with the reader
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

// keptQueries runs queries through statements that are kept.
type keptQueries struct{ *reader }

// QueryContext implements querier.
func (k keptQueries) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := k.kept(ctx, query) //nolint:sqlclosecheck // closed with the reader
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// session is the writing connection, as the changes inside a transaction see
// it. It knows no context: a change that has begun is carried to its end. It
// keeps every statement prepared, so their texts must be few and fixed.
type session struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	lax        bool // commits do not wait for the disk
	// number tells one transaction from another.
	number int
	// counts are the outcomes of this transaction, written at its end.
	counts []outcome
}

func newSession(conn *sql.Conn) *session {
	return &session{conn: conn, statements: make(map[string]*sql.Stmt)}
}

// exec runs a statement.
func (c *session) exec(query string, args ...any) (sql.Result, error) {
	st, err := c.prepare(query) //nolint:sqlclosecheck // kept for the next time, closed with the session
	if err != nil {
		return nil, err
	}
	return st.ExecContext(context.Background(), args...)
}

// affect runs a statement and returns how many rows it changed.
func (c *session) affect(query string, args ...any) (int64, error) {
	res, err := c.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// scan reads the first row of a query; none is sql.ErrNoRows.
func (c *session) scan(query string, args []any, dest ...any) error {
	st, err := c.prepare(query) //nolint:sqlclosecheck // kept for the next time, closed with the session
	if err != nil {
		return err
	}
	return st.QueryRowContext(context.Background(), args...).Scan(dest...)
}

// await has the commits from here on wait for the disk, or not. In write-ahead
// logging the log is synced at the next commit that waits, with all before it
// (https://sqlite.org/pragma.html#pragma_synchronous). It comes outside of
// transactions, and is not kept prepared: SQLite obeys it when it is prepared.
func (c *session) await(disk bool) error {
	if c.lax == !disk {
		return nil
	}
	if !disk {
		c.lax = true // in doubt too
		return c.script("PRAGMA synchronous = NORMAL")
	}
	if err := c.script("PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	c.lax = false
	return nil
}

// script runs several statements that are not asked for again.
func (c *session) script(text string) error {
	_, err := c.conn.ExecContext(context.Background(), text)
	return err
}

func (c *session) prepare(query string) (*sql.Stmt, error) {
	if st, ok := c.statements[query]; ok {
		return st, nil
	}
	st, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = st
	return st, nil
}

// close gives the connection back, and with it all statements.
func (c *session) close() error {
	var errs []error
	for _, st := range c.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/popferry/popferry/fetcher/ledger"
)

// writeConn is the writing connection, as the changes inside a transaction see
// it. It takes no context: a change that has begun runs to its end. It keeps
// every statement prepared, so their texts must be few and fixed.
type writeConn struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	unsynced   bool         // commits do not wait for the disk
	number     int          // of the transaction
	counts     []outcome    // of the transaction, written at its end
	verify     func() error // whether to write, once in each transaction; nil: always
}

func newWriteConn(conn *sql.Conn) *writeConn {
	return &writeConn{conn: conn, statements: make(map[string]*sql.Stmt)}
}

// exec runs a statement.
func (c *writeConn) exec(query string, args ...any) (sql.Result, error) {
	st, err := c.prepare(query) //nolint:sqlclosecheck // kept for the next time, closed with the connection
	if err != nil {
		return nil, err
	}
	return st.ExecContext(context.Background(), args...)
}

// affect runs a statement and returns how many rows it changed.
func (c *writeConn) affect(query string, args ...any) (int64, error) {
	res, err := c.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// affectOne runs a statement that changes a row. If there is no such row, it
// returns ledger.ErrNotFound.
func (c *writeConn) affectOne(query string, args ...any) error {
	n, err := c.affect(query, args...)
	if err == nil && n == 0 {
		err = ledger.ErrNotFound
	}
	return err
}

// scan reads the first row of a query, or returns sql.ErrNoRows.
func (c *writeConn) scan(query string, args []any, dest ...any) error {
	st, err := c.prepare(query) //nolint:sqlclosecheck // kept for the next time, closed with the connection
	if err != nil {
		return err
	}
	return st.QueryRowContext(context.Background(), args...).Scan(dest...)
}

// setSync makes the commits from here on wait for the disk, or not. The next
// commit that waits syncs the write-ahead log with all that was written before
// (https://sqlite.org/pragma.html#pragma_synchronous). It must run outside of
// transactions. The pragma is not kept prepared: SQLite obeys it while it is
// being prepared.
func (c *writeConn) setSync(on bool) error {
	if c.unsynced == !on {
		return nil
	}
	if !on {
		c.unsynced = true // even if the pragma fails: then the next setSync repeats it
		return c.script("PRAGMA synchronous = NORMAL")
	}
	if err := c.script("PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	c.unsynced = false
	return nil
}

// script runs several statements that are not needed again.
func (c *writeConn) script(text string) error {
	_, err := c.conn.ExecContext(context.Background(), text)
	return err
}

func (c *writeConn) prepare(query string) (*sql.Stmt, error) {
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

// close closes all statements and returns the connection to its pool.
func (c *writeConn) close() error {
	var errs []error
	for _, st := range c.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

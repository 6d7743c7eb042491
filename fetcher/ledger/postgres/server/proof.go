package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// oldest is the oldest version of PostgreSQL that has all that is needed: 14.0, the
// first with idle_session_timeout.
const oldest = 140000

// Prove returns an error unless the server keeps what it has confirmed, and
// knows what popferry asks for. A server of another kind may say nothing of it.
func (d *Database) Prove(ctx context.Context, conn *pgx.Conn) error {
	var version, fsync string
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num'), current_setting('fsync')").Scan(&version, &fsync); err != nil {
		return err
	}
	return d.judge(version, fsync)
}

func (d *Database) judge(version, fsync string) error {
	switch n, err := strconv.Atoi(version); {
	case err != nil:
		return fmt.Errorf("the version of the database is %q: %w", version, err)
	case n < oldest:
		return d.OfKind("open the ledger", Old, fmt.Errorf("its version is %d.%d", n/10000, n%10000))
	case fsync != "on":
		return d.OfKind("open the ledger", Unsafe, fmt.Errorf("fsync is %s", fsync))
	}
	return nil
}

// proofLimit bounds the wait for a pooler that has no second session to give.
const proofLimit = 15 * time.Second

// ProveSession returns an error if a pooler gives the session to others between two
// transactions: locks would be theirs, too. While a second connection is in a
// transaction, and so has a session of its own for sure, the first must keep the one
// that it had.
func (d *Database) ProveSession(ctx context.Context, first *pgx.Conn) error {
	own, err := backend(ctx, first)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit+proofLimit)
	defer cancel()
	second, err := d.Dial(ctx, "SET idle_in_transaction_session_timeout = '30s'; SET statement_timeout = '15s'")
	if err != nil {
		return err
	}
	defer func() { _ = second.Close(context.WithoutCancel(ctx)) }()
	if _, err := second.Exec(ctx, "BEGIN"); err != nil {
		if answer, ok := errors.AsType[*pgconn.PgError](err); ok && answer.Code == "08P01" { // one that pools statements
			return d.OfKind("open the ledger", Pooled, err)
		}
		return err
	}
	others, err := backend(ctx, second)
	if err != nil {
		return err
	}
	for range 3 { // a pooler may hand out its sessions one after the other
		now, err := backend(ctx, first)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return d.OfKind("open the ledger", Pooled, err)
		case err != nil:
			return err
		case now != own || now == others:
			return d.OfKind("open the ledger", Pooled, fmt.Errorf("its process was %d and is %d now", own, now))
		}
	}
	return nil
}

// backend is the number of the server's process that serves a session.
func backend(ctx context.Context, conn *pgx.Conn) (pid int, err error) {
	ctx, cancel := context.WithTimeout(ctx, proofLimit)
	defer cancel()
	// Without a prepared statement, which a pooler would have to know of.
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	return pid, err
}

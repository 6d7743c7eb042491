package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Nearly all rows of a large mailbox are plain: plainQuery's columns have all
// that a poll compares. Each column costs as much as all other work for a row,
// so the other columns are read only for the rows that need them.
const (
	plainRow = `m.generation = 0 AND m.next_attempt IS NULL AND m.deletions = (m.deleted_at IS NOT NULL)
		AND m.last_seen IS m.deleted_at AND m.cause_code = '' AND m.cause_text = '' AND m.spool = ''`
	// A number for the most common state needs no allocation, and a text is copied
	// once where a BLOB is copied twice; it keeps all octets. The rows come in the
	// order of the index, by state: sorting in SQLite takes longer than reading.
	plainQuery = `SELECT m.id, CAST(m.uid AS TEXT), CASE m.state WHEN 'forwarded' THEN 0 ELSE m.state END,
		m.size, m.print, m.attempts, m.forwarded_at, m.deleted_at, ` + plainRow + `
		FROM messages m WHERE m.account = ?`
	restQuery = "SELECT " + knownColumns + " FROM messages m WHERE m.account = ? AND NOT (" + plainRow + ")"
)

// Known returns the rows that a listing is compared with: all messages of the
// account, in the order in which they were first written.
func (l *Lease) Known(ctx context.Context) (*ledger.Rows, error) {
	known, err := l.known(ctx)
	return known, explain("read the ledger", l.store.path, err)
}

// known reads the plain rows and then the rest, all from one snapshot.
func (l *Lease) known(ctx context.Context) (known *ledger.Rows, err error) {
	// Counting first saves growing the list, which matters with 100,000 rows, and
	// saves most of the work with none.
	var n int
	err = l.store.read.scan(ctx, "SELECT count(*) FROM messages WHERE account = ?", []any{l.account}, &n)
	if err != nil || n == 0 {
		return nil, err
	}
	conn, err := l.store.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// database/sql would watch ctx at each row; plainRows checks it now and then.
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	known = ledger.NewRows(n)
	var rest int
	if err := conn.Raw(func(c any) (err error) {
		rest, err = plainRows(ctx, c.(driver.QueryerContext), l.account, known)
		return err
	}); err != nil {
		return nil, err
	}
	if rest > 0 {
		if err := l.restRows(ctx, tx, known, rest); err != nil {
			return nil, err
		}
	}
	known.SortByID()
	return known, nil
}

// plainRows adds the plain rows, and returns the number of the others, which need
// restRows. It uses the driver itself, because database/sql takes as long for a row
// as SQLite does.
func plainRows(ctx context.Context, db driver.QueryerContext, account int64, known *ledger.Rows) (rest int, err error) {
	const checkEvery = 4096 // rows; each takes microseconds
	rows, err := db.QueryContext(context.WithoutCancel(ctx), plainQuery, []driver.NamedValue{{Ordinal: 1, Value: account}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for n := 0; ; n++ {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return rest, nil
		} else if err != nil {
			return 0, err
		}
		if n%checkEvery == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		k, plain, err := plainKnown(values)
		switch {
		case err != nil:
			return 0, err
		case plain:
			known.Add(&k)
		default:
			rest++
		}
	}
}

// plainKnown converts a row of plainQuery. plain reports whether k is complete.
func plainKnown(v []driver.Value) (k ledger.Known, plain bool, err error) {
	var ok [5]bool
	var attempts, isPlain int64
	k.ID, ok[0] = v[0].(int64)
	k.UID, ok[1] = v[1].(string)
	k.Size, ok[2] = v[3].(int64)
	k.Fingerprint, ok[3] = v[4].(string)
	attempts, ok[4] = v[5].(int64)
	isPlain, plain = v[8].(int64)
	k.Attempts = int(attempts)
	if ok != [5]bool{true, true, true, true, true} || !plain {
		return k, false, fmt.Errorf("message %v: unexpected types of columns", v[0])
	}
	if _, number := v[2].(int64); number {
		k.State = ledger.Forwarded
	} else {
		err = (*state)(&k.State).Scan(v[2])
	}
	err = errors.Join(err, (*millis)(&k.ForwardedAt).Scan(v[6]), (*millis)(&k.DeletedAt).Scan(v[7]))
	if !k.DeletedAt.IsZero() {
		k.Deletions, k.MissingSince = 1, k.DeletedAt
	}
	return k, isPlain != 0, err
}

// restRows adds the rows that are not plain, of which there are rest.
func (l *Lease) restRows(ctx context.Context, db querier, known *ledger.Rows, rest int) (err error) {
	rows, err := db.QueryContext(context.WithoutCancel(ctx), restQuery, l.account)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var k ledger.Known
	fields := knownFields(&k)
	for ; rows.Next(); rest-- {
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		known.Add(&k)
	}
	if err := rows.Err(); err != nil || rest == 0 {
		return err
	}
	return errChanged
}

var errChanged = errors.New("the messages table changed while it was being read")

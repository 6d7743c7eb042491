package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
)

const selectRecords = "SELECT " + knownColumns + ", " + restColumns + ", " + recipientColumns + `
	FROM messages m LEFT JOIN recipients r ON r.message = m.id`

// Record returns a message of the account, or ledger.ErrNotFound.
func (l *Lease) Record(ctx context.Context, id int64) (*ledger.Record, error) {
	var found *ledger.Record
	err := records(ctx, preparedQueries{l.store.read}, func(r *ledger.Record) error { found = r; return nil },
		selectRecords+" WHERE m.id = ? AND m.account = ? ORDER BY r.position", id, l.account)
	switch {
	case err != nil:
		return nil, explain("read the ledger", l.store.path, err)
	case found == nil:
		return nil, fmt.Errorf("message %d: %w", id, ledger.ErrNotFound)
	}
	return found, nil
}

// Messages yields all messages that pass the filter, with the name of their
// account: by account, then in the order in which they were first written. It
// reads them one by one from a snapshot. An error of yield ends it and is
// returned.
func (s *Store) Messages(ctx context.Context, f ledger.Filter, yield func(account string, r *ledger.Record) error) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return explain("read the ledger", s.path, err)
	}
	defer func() { _ = tx.Rollback() }() // it has read only
	accounts, err := query(ctx, tx, accountFields, selectAccounts+" WHERE ? IN ('', name) ORDER BY name", f.Account)
	for i := 0; err == nil && i < len(accounts); i++ {
		text, args := filtered(accounts[i].ID, f)
		err = records(ctx, tx, func(r *ledger.Record) error { return yield(accounts[i].Name, r) }, text, args...)
	}
	return explain("read the ledger", s.path, err)
}

// Copies returns the messages that have a retained copy, in the order in which they
// were first written.
func (s *Store) Copies(ctx context.Context) ([]ledger.Copy, error) {
	list, err := query(ctx, s.read, func(c *ledger.Copy) []any { return []any{&c.Account, (*octets)(&c.UID), (*state)(&c.State), &c.File} },
		"SELECT account, uid, state, spool FROM messages WHERE spool <> '' ORDER BY id")
	return list, explain("read the ledger", s.path, err)
}

// filtered is the query for the messages of one account that pass the filter.
func filtered(account int64, f ledger.Filter) (text string, args []any) {
	text, args = selectRecords+" WHERE m.account = ?", []any{account}
	if f.State != 0 {
		text, args = text+" AND m.state = ?", append(args, state(f.State))
	}
	if f.UID != "" {
		text, args = text+" AND m.uid = ?", append(args, octets(f.UID))
	}
	return text + " ORDER BY m.id, r.position", args
}

// records yields the messages of a query that begins with selectRecords and is
// ordered by message. It has a row for each recipient.
func records(ctx context.Context, db querier, yield func(*ledger.Record) error, text string, args ...any) (err error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var current *ledger.Record
	for rows.Next() {
		r, rcpt, exists := &ledger.Record{}, ledger.Recipient{}, false
		fields := append(append(knownFields(&r.Known), restFields(r)...), recipientFields(&exists, &rcpt)...)
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		if current == nil || current.ID != r.ID {
			if current != nil {
				if err := yield(current); err != nil {
					return err
				}
			}
			current = r
		}
		if exists {
			current.Recipients = append(current.Recipients, rcpt)
		}
	}
	if err := rows.Err(); err != nil || current == nil {
		return err
	}
	return yield(current)
}

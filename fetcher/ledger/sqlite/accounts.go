package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
)

const selectAccounts = `SELECT id, name, username, host, listed, last_poll, last_success, next_poll,
	failures, not_before, cause_code, cause_text, on_server, server, renumbered, adopt FROM accounts`

// querier is a connection, a pool of them, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Accounts returns all accounts that were ever claimed, by name.
func (s *Store) Accounts(ctx context.Context) ([]ledger.Account, error) {
	accounts, err := queryAccounts(ctx, s.read, selectAccounts+" ORDER BY name")
	return accounts, explain("read the ledger", s.path, err)
}

// Claim makes these identities the accounts of this configuration, by the
// rules of ledger.Claim: known ones are found, renamed ones take their rows
// along, new ones are made. The answer has one account for each claim, in
// order, all with an ID. On an error, as ledger.ErrIdentity, nothing changes.
func (s *Store) Claim(ctx context.Context, claims []ledger.Identity) ([]ledger.Account, error) {
	var accounts []ledger.Account
	err := s.write(ctx, func(c *session) error {
		known, err := queryAccounts(context.Background(), c.conn, selectAccounts+" ORDER BY id")
		if err != nil {
			return err
		}
		if accounts, err = ledger.Claim(known, claims); err != nil {
			return err
		}
		before := make(map[int64]ledger.Identity, len(known))
		for _, a := range known {
			before[a.ID] = a.Identity
		}
		for i := range accounts {
			if a := accounts[i]; a.ID != 0 && before[a.ID] == a.Identity {
				continue // a start without news writes nothing
			}
			if err := identify(c, &accounts[i]); err != nil {
				return fmt.Errorf("account %q: %w", accounts[i].Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}

// identify writes the identity of an account, and makes it if it has no ID.
func identify(c *session, a *ledger.Account) error {
	if a.ID != 0 {
		_, err := c.exec("UPDATE accounts SET (name, username, host) = (?, ?, ?) WHERE id = ?", a.Name, a.Username, a.Host, a.ID)
		return err
	}
	res, err := c.exec("INSERT INTO accounts (name, username, host) VALUES (?, ?, ?)", a.Name, a.Username, a.Host)
	if err != nil {
		return err
	}
	a.ID, err = res.LastInsertId()
	return err
}

// queryAccounts reads the rows of a query that begins with selectAccounts.
func queryAccounts(ctx context.Context, db querier, query string, args ...any) (accounts []ledger.Account, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var a ledger.Account
		var server []byte
		var renumbered, adopting bool
		if err := rows.Scan(&a.ID, &a.Name, &a.Username, &a.Host, (*millis)(&a.Listed), (*millis)(&a.LastPoll), (*millis)(&a.LastSuccess), (*millis)(&a.NextPoll),
			&a.Failures, (*millis)(&a.NotBefore), &a.Cause.Code, &a.Cause.Text, &a.OnServer, &server, &renumbered, &adopting); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(server, &a.Server); err != nil {
			return nil, fmt.Errorf("account %q: what was learnt of its server: %w", a.Name, err)
		}
		switch {
		case renumbered:
			a.UIDs = ledger.UIDsRenumbered
		case adopting:
			a.UIDs = ledger.UIDsAdopting
		}
		accounts = append(accounts, a)
	}
	return accounts, rows.Err()
}

// putAccount writes all but the identity, which only Claim and Rename change:
// a process that still runs with an older configuration must not bring the old
// name back.
func putAccount(c *session, a ledger.Account) error {
	server, err := json.Marshal(a.Server)
	if err != nil {
		return err
	}
	n, err := c.affect(`UPDATE accounts SET (listed, last_poll, last_success, next_poll,
		failures, not_before, cause_code, cause_text, on_server, server, renumbered, adopt) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`,
		millis(a.Listed), millis(a.LastPoll), millis(a.LastSuccess), millis(a.NextPoll),
		a.Failures, millis(a.NotBefore), a.Cause.Code, a.Cause.Text, a.OnServer, string(server), a.UIDs == ledger.UIDsRenumbered, a.UIDs == ledger.UIDsAdopting, a.ID)
	if err == nil && n == 0 {
		err = ledger.ErrNotFound
	}
	return err
}

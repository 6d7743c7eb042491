package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/popferry/popferry/fetcher/ledger"
)

// selectAccounts reads the columns that accountFields are scanned from.
const selectAccounts = `SELECT id, name, username, host, port, config, listed, last_poll, last_success, next_poll,
	failures, not_before, cause_code, cause_text, on_server, server,
	CASE WHEN renumbered THEN 1 WHEN adopt THEN 2 ELSE 0 END, refusals, listed_before, listed_last, postponed, began, settings FROM accounts`

func accountFields(a *ledger.Account) []any {
	return []any{&a.ID, &a.Name, &a.Username, &a.Host, (*number)(&a.Port), &a.Config, (*millis)(&a.Listed), (*millis)(&a.LastPoll), (*millis)(&a.LastSuccess), (*millis)(&a.NextPoll),
		&a.Failures, (*millis)(&a.NotBefore), &a.Cause.Code, &a.Cause.Text, &a.OnServer, asJSON[ledger.ServerFacts]{&a.Server}, &a.UIDs, asJSON[ledger.Refusals]{&a.Refusals},
		(*millis)(&a.Listings.Before), (*millis)(&a.Listings.Last), (*number)(&a.Postponed), (*millis)(&a.Began), &a.Settings}
}

// Accounts returns all accounts that were ever claimed, by name.
func (s *Store) Accounts(ctx context.Context) ([]ledger.Account, error) {
	accounts, err := query(ctx, s.read, accountFields, selectAccounts+" ORDER BY name")
	return accounts, explain("read the ledger", s.path, err)
}

// account reads one account, or returns ledger.ErrNotFound.
func (s *Store) account(ctx context.Context, id int64) (ledger.Account, error) {
	accounts, err := query(ctx, preparedQueries{s.read}, accountFields, selectAccounts+" WHERE id = ?", id)
	switch {
	case err != nil:
		return ledger.Account{}, explain("read the ledger", s.path, err)
	case len(accounts) == 0:
		return ledger.Account{}, fmt.Errorf("account %d: %w", id, ledger.ErrNotFound)
	}
	return accounts[0], nil
}

// Claim makes these identities the accounts of this configuration, by the
// rules of ledger.Claim: known ones are found, renamed ones keep their rows,
// new ones are inserted, and the rows of edited ones get ledger.MovedUID. It
// returns one account for each claim, in order, all with an ID. On an error nothing
// changes; it is ledger.ErrLeased where an edited one is polled for too long.
func (s *Store) Claim(ctx context.Context, claims []ledger.Identity) (accounts []ledger.Account, err error) {
	known, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	release, err := ledger.LeaseMoved(ctx, known, claims, s.now(), s.Lease)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	err = s.write(ctx, func(c *writeConn) error {
		known, err := query(context.Background(), c.conn, accountFields, selectAccounts+" ORDER BY id")
		if err != nil {
			return err
		}
		changes, err := ledger.ClaimChanged(known, claims, s.now()) // a start that changes no account writes nothing
		if err != nil {
			return err
		}
		accounts = changes.Accounts
		for id, name := range changes.Names {
			if _, err := c.exec("UPDATE accounts SET name = ? WHERE id = ?", name, id); err != nil {
				return err
			}
		}
		for _, i := range slices.Sorted(maps.Keys(changes.Written)) {
			if err := putIdentity(c, &accounts[i], changes.Written[i]); err != nil {
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

// putIdentity writes the identity of an account, and inserts the account if it
// has no ID.
func putIdentity(c *writeConn, a *ledger.Account, moved bool) error {
	if a.ID == 0 {
		res, err := c.exec("INSERT INTO accounts (name, username, host, port, config) VALUES (?, ?, ?, ?, ?)", a.Name, a.Username, a.Host, a.Port, a.Config)
		if err != nil {
			return err
		}
		a.ID, err = res.LastInsertId()
		return err
	}
	if _, err := c.exec("UPDATE accounts SET (name, username, host, port, config) = (?, ?, ?, ?, ?) WHERE id = ?", a.Name, a.Username, a.Host, a.Port, a.Config, a.ID); err != nil || !moved {
		return err
	}
	if err := putAccount(c, *a); err != nil {
		return err
	}
	// A row may be left of an earlier move: the others get greater generations.
	const isMoved = "CAST(substr(uid, 1, ?3) AS TEXT) = ?2"
	prefix := ledger.MovedUID("")
	_, err := c.exec(`UPDATE messages SET uid = CAST(?2 || CAST(uid AS TEXT) AS BLOB),
		generation = generation + coalesce((SELECT max(generation) + 1 FROM messages WHERE account = ?1 AND `+isMoved+`), 0)
		WHERE account = ?1 AND NOT `+isMoved, a.ID, prefix, len(prefix))
	return err
}

// Account returns what is remembered of the account.
func (l *Lease) Account(ctx context.Context) (ledger.Account, error) {
	if row := l.row.Load(); row != nil {
		return *row, nil
	}
	return l.store.account(ctx, l.account)
}

// PutAccount writes all of the account except its identity: only Claim and
// Rename change that, because a process that still runs with an older
// configuration must not bring an old name back. PutAccount does not wait for
// the disk if only fields change that may be lost (ledger.Account.Durable).
// Most polls find nothing new, and wake no disk.
func (l *Lease) PutAccount(ctx context.Context, a ledger.Account) error {
	if a.ID != l.account {
		return fmt.Errorf("account %d written under the lease of %d", a.ID, l.account)
	}
	before, err := l.Account(ctx)
	if err != nil {
		return err
	}
	write := l.store.write
	if a.Identity = before.Identity; a.SameDurably(before) {
		write = l.store.writeAsync
	}
	defer l.row.Store(nil)
	return l.change(ctx, write, func(c *writeConn) error { return putAccount(c, a) })
}

// putAccount writes all of an account except its identity.
func putAccount(c *writeConn, a ledger.Account) error {
	return c.affectOne(`UPDATE accounts SET (listed, last_poll, last_success, next_poll,
		failures, not_before, cause_code, cause_text, on_server, server, renumbered, adopt, refusals, listed_before, listed_last, postponed, began, settings) =
		(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`,
		millis(a.Listed), millis(a.LastPoll), millis(a.LastSuccess), millis(a.NextPoll),
		a.Failures, millis(a.NotBefore), a.Cause.Code, a.Cause.Text, a.OnServer, asJSON[ledger.ServerFacts]{&a.Server},
		a.UIDs == ledger.UIDsRenumbered, a.UIDs == ledger.UIDsAdopting, asJSON[ledger.Refusals]{&a.Refusals},
		millis(a.Listings.Before), millis(a.Listings.Last), a.Postponed, millis(a.Began), a.Settings, a.ID)
}

// Rename gives the account another name, and with another user name or host
// another mailbox, in which its UIDs count as seen. What was learnt of a server,
// except what protects mail, is forgotten with its host, and no back-off is left of another mailbox. If another account has the name, that is
// ledger.ErrNameTaken, and nothing changes.
func (l *Lease) Rename(ctx context.Context, to ledger.Identity) error {
	defer l.row.Store(nil)
	return l.write(ctx, func(c *writeConn) error {
		var other int64
		switch err := c.scan("SELECT id FROM accounts WHERE name = ? AND id <> ?", []any{to.Name, l.account}, &other); {
		case err == nil:
			return ledger.ErrNameTaken
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		return c.affectOne(`UPDATE accounts SET server = CASE WHEN host = ?2 COLLATE NOCASE THEN server ELSE
				json_patch('{}', json_object('expire_0', json_extract(server, '$.expire_0'), 'retr_hides', json_extract(server, '$.retr_hides'))) END,
			not_before = CASE WHEN host = ?2 COLLATE NOCASE AND username = ?1 THEN not_before END,
			(name, username, host, port) = (?3, ?1, ?2, ?5) WHERE id = ?4`, to.Username, to.Host, to.Name, l.account, to.Port)
	})
}

// Forget removes the account with all its messages and counts, and returns the
// number of messages. After that the lease can only be released.
func (l *Lease) Forget(ctx context.Context) (messages int, err error) {
	defer l.row.Store(nil)
	err = l.write(ctx, func(c *writeConn) error {
		if err := c.scan("SELECT count(*) FROM messages WHERE account = ?", []any{l.account}, &messages); err != nil {
			return err
		}
		return c.affectOne("DELETE FROM accounts WHERE id = ?", l.account) // its rows in other tables go with it
	})
	if err != nil {
		return 0, err
	}
	return messages, nil
}

// Notices returns what the user was notified of, by account.
func (s *Store) Notices(ctx context.Context) ([]ledger.Notice, error) {
	fields := func(n *ledger.Notice) []any {
		return []any{&n.Account, (*millis)(&n.Since), (*millis)(&n.Told), (*ids)(&n.Held), (*ids)(&n.Late), (*millis)(&n.HeldAt)}
	}
	list, err := query(ctx, s.read, fields, "SELECT account, since, told, held, late, held_at FROM notices ORDER BY account")
	return list, explain("read the ledger", s.path, err)
}

const putNotice = "REPLACE INTO notices (account, since, told, held, late, held_at) VALUES (?, ?, ?, ?, ?, ?)"

func noticeValues(n ledger.Notice) []any {
	return []any{n.Account, millis(n.Since), millis(n.Told), ids(n.Held), ids(n.Late), millis(n.HeldAt)}
}

// PutNotices writes what the user was notified of, for all of these accounts
// or for none.
func (s *Store) PutNotices(ctx context.Context, list ...ledger.Notice) error {
	return s.write(ctx, func(c *writeConn) error {
		for _, n := range list {
			if _, err := c.exec(putNotice, noticeValues(n)...); err != nil {
				return err
			}
		}
		return nil
	})
}

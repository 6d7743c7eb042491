package sqlite

import (
	"context"
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Sent returns all that is remembered of what was sent.
func (s *Store) Sent(ctx context.Context) ([]ledger.Sent, error) {
	fields := func(u *ledger.Sent) []any {
		return []any{&u.Quota, (*millis)(&u.Minute), &u.Account, &u.Messages, &u.Octets}
	}
	list, err := query(ctx, s.read, fields, "SELECT quota, minute, account, messages, octets FROM sent ORDER BY quota, minute, account")
	return list, explain("read the ledger", s.path, err)
}

// MarkMoved notes where the ledger is now.
func (s *Store) MarkMoved(ctx context.Context, to string) error {
	return s.write(ctx, func(c *writeConn) error { return c.affectOne("UPDATE ledger SET moved = ?", to) })
}

// notMoved returns a *ledger.MovedError if the ledger has moved.
func (s *Store) notMoved(ctx context.Context) error {
	var to string
	if err := (preparedQueries{s.read}).scan(ctx, "SELECT moved FROM ledger", nil, &to); err != nil {
		return explain("read the ledger", s.path, err)
	}
	if to != "" {
		return &ledger.MovedError{Where: s.path, To: to}
	}
	return nil
}

// Fill writes all that another ledger has, in one transaction. Retained copies are files,
// which the caller has to copy. If there is something in this ledger, the error is
// ledger.ErrNotEmpty, and nothing changes.
func (s *Store) Fill(ctx context.Context, from ledger.Contents) error {
	return s.write(ctx, func(c *writeConn) error {
		var full bool
		if err := c.scan("SELECT EXISTS (SELECT 1 FROM accounts) OR EXISTS (SELECT 1 FROM routes) OR EXISTS (SELECT 1 FROM tokens)", nil, &full); err != nil {
			return err
		}
		if full {
			return fmt.Errorf("%s: %w", s.path, ledger.ErrNotEmpty)
		}
		for _, a := range from.Accounts {
			if _, err := c.exec("INSERT INTO accounts (id, name, username, host, port, config) VALUES (?, ?, ?, ?, ?, ?)", a.ID, a.Name, a.Username, a.Host, a.Port, a.Config); err != nil {
				return fmt.Errorf("account %q: %w", a.Name, err)
			}
			if err := putAccount(c, a); err != nil {
				return fmt.Errorf("account %q: %w", a.Name, err)
			}
		}
		if err := from.Records(ctx, func(r *ledger.Record) error { return fillRecord(c, r) }); err != nil {
			return err
		}
		return fillRest(c, from)
	})
}

func fillRecord(c *writeConn, r *ledger.Record) error {
	args := append(append(keyValues(r.Account, r), putValues(r)...), r.ID)
	if _, err := c.exec("INSERT INTO messages ("+keyColumns+", "+putColumns+", id) VALUES (?, ?, ?, "+putMarks+", ?)", args...); err != nil {
		return fmt.Errorf("message with UID %q: %w", r.UID, err)
	}
	return putRecipients(c, r.ID, r.Recipients, 0)
}

// fillRest writes all but accounts and messages.
func fillRest(c *writeConn, from ledger.Contents) error {
	put := func(statement string, args ...any) error {
		_, err := c.exec(statement, args...)
		return err
	}
	for _, d := range from.Days {
		if err := put("INSERT INTO days (date, account, outcome, count) VALUES (?, ?, ?, ?)", d.Date, d.Account, state(d.Outcome), d.Count); err != nil {
			return err
		}
	}
	for _, r := range from.Routes {
		if err := put("INSERT INTO routes ("+routeColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", r.Destination, r.Server, r.Recipients,
			r.Failures, millis(r.NotBefore), r.Cause.Code, r.Cause.Text, millis(r.LastSuccess), r.Facts, asJSON[ledger.Tried]{&r.Tried}); err != nil {
			return err
		}
	}
	for _, n := range from.Notices {
		if err := put(putNotice, noticeValues(n)...); err != nil {
			return err
		}
	}
	for _, t := range from.Tokens {
		if err := put(putToken, append(tokenValues(t), 0)...); err != nil {
			return err
		}
	}
	for _, u := range from.Sent {
		if err := put("INSERT INTO sent (quota, minute, account, messages, octets) VALUES (?, ?, ?, ?, ?)", u.Quota, millis(u.Minute), u.Account, u.Messages, u.Octets); err != nil {
			return err
		}
	}
	return nil
}

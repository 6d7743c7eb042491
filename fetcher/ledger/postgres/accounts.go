package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// selectAccounts reads the columns that accountFields are scanned from.
const selectAccounts = `SELECT id, name, username, host, port, config, listed, last_poll, last_success, next_poll,
	failures, not_before, cause_code, cause_text, on_server, server, uids, refusals, listed_before, listed_last, postponed, began, settings FROM accounts`

func accountFields(a *ledger.Account) []any {
	return []any{&a.ID, &a.Name, &a.Username, &a.Host, &a.Port, &a.Config, (*moment)(&a.Listed), (*moment)(&a.LastPoll), (*moment)(&a.LastSuccess), (*moment)(&a.NextPoll),
		&a.Failures, (*moment)(&a.NotBefore), &a.Cause.Code, &a.Cause.Text, &a.OnServer, &a.Server, &a.UIDs, &a.Refusals,
		(*moment)(&a.Listings.Before), (*moment)(&a.Listings.Last), &a.Postponed, (*moment)(&a.Began), &a.Settings}
}

// Accounts returns all accounts that were ever claimed, by name.
func (s *Store) Accounts(ctx context.Context) ([]ledger.Account, error) {
	return query(ctx, s, accountFields, selectAccounts+" ORDER BY name")
}

// account reads one account, or returns ledger.ErrNotFound.
func (s *Store) account(ctx context.Context, id int64) (a ledger.Account, err error) {
	err = s.scan(ctx, selectAccounts+" WHERE id = $1", []any{id}, accountFields(&a)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, fmt.Errorf("account %d: %w", id, ledger.ErrNotFound)
	}
	return a, err
}

// claimLock keeps processes from claiming at the same time: two that find no account
// for a mailbox would both make one.
const claimLock = 0x706f7066_0000_0002

// Claim makes these identities the accounts of this configuration, by the
// rules of ledger.Claim: known ones are found, renamed ones keep their rows,
// new ones are inserted, and the rows of edited ones get ledger.MovedUID. It
// returns one account for each claim, in order, all with an ID. On an error nothing
// changes; it is ledger.ErrLeased where an edited one is polled for too long.
func (s *Store) Claim(ctx context.Context, claims []ledger.Identity) (accounts []ledger.Account, err error) {
	known, err := query(ctx, s, accountFields, selectAccounts+" ORDER BY id")
	if err != nil {
		return nil, err
	}
	now := s.Now()
	changes, err := ledger.ClaimChanged(known, claims, now)
	if err != nil || len(changes.Written) == 0 {
		return changes.Accounts, err // a start that changes no account waits for nobody
	}
	release, err := ledger.LeaseMoved(ctx, known, claims, now, s.Lease)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	err = s.write(ctx, &change{run: func(ctx context.Context, s *session, _ *counts) error {
		c := s.conn
		if _, err := c.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(claimLock)); err != nil {
			return err
		}
		rows, err := c.Query(ctx, selectAccounts+" ORDER BY id")
		if err != nil {
			return err
		}
		known, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a ledger.Account, err error) {
			return a, row.Scan(accountFields(&a)...)
		})
		if err != nil {
			return err
		}
		if changes, err = ledger.ClaimChanged(known, claims, now); err != nil {
			return err
		}
		for id, name := range changes.Names {
			if _, err := c.Exec(ctx, "UPDATE accounts SET name = $2 WHERE id = $1", id, name); err != nil {
				return err
			}
		}
		for i := range changes.Accounts {
			moved, ok := changes.Written[i]
			if !ok {
				continue
			}
			a := &changes.Accounts[i]
			if err := putIdentity(ctx, c, a, moved); err != nil {
				return fmt.Errorf("account %q: %w", a.Name, err)
			}
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return changes.Accounts, nil
}

// putIdentity writes the identity of an account, and inserts the account if it
// has no ID.
func putIdentity(ctx context.Context, c *pgx.Conn, a *ledger.Account, moved bool) error {
	if a.ID == 0 {
		return c.QueryRow(ctx, "INSERT INTO accounts (name, username, host, port, config) VALUES ($1, $2, $3, $4, $5) RETURNING id",
			a.Name, a.Username, a.Host, a.Port, a.Config).Scan(&a.ID)
	}
	if _, err := c.Exec(ctx, "UPDATE accounts SET name = $2, username = $3, host = $4, port = $5, config = $6 WHERE id = $1", a.ID, a.Name, a.Username, a.Host, a.Port, a.Config); err != nil || !moved {
		return err
	}
	if _, err := c.Exec(ctx, updateAccount, accountValues(*a)...); err != nil {
		return err
	}
	// A row may be left of an earlier move: the others get greater generations.
	const isMoved = "substring(uid FOR octet_length($2::bytea)) = $2"
	_, err := c.Exec(ctx, `UPDATE messages SET uid = $2 || uid,
		generation = generation + coalesce((SELECT max(generation) + 1 FROM messages WHERE account = $1 AND `+isMoved+`), 0)
		WHERE account = $1 AND NOT `+isMoved, a.ID, octets(ledger.MovedUID("")))
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
func (l *Lease) PutAccount(ctx context.Context, a ledger.Account) error {
	if a.ID != l.account {
		return fmt.Errorf("account %d written under the lease of %d", a.ID, l.account)
	}
	before, err := l.Account(ctx)
	if err != nil {
		return err
	}
	a.Identity = before.Identity
	defer l.row.Store(nil)
	return l.write(ctx, &change{async: a.SameDurably(before), alone: true, queue: func(b *pgx.Batch, _ *counts) {
		b.Queue(updateAccount, accountValues(a)...).Exec(one)
	}})
}

const updateAccount = `UPDATE accounts SET (listed, last_poll, last_success, next_poll,
	failures, not_before, cause_code, cause_text, on_server, server, uids, refusals, listed_before, listed_last, postponed, began, settings) =
	($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) WHERE id = $1`

func accountValues(a ledger.Account) []any {
	return []any{a.ID, moment(a.Listed), moment(a.LastPoll), moment(a.LastSuccess), moment(a.NextPoll),
		a.Failures, moment(a.NotBefore), text(a.Cause.Code), text(a.Cause.Text), a.OnServer, a.Server, int16(a.UIDs), a.Refusals,
		moment(a.Listings.Before), moment(a.Listings.Last), a.Postponed, moment(a.Began), text(a.Settings)}
}

// Rename gives the account another name, and with another user name or host
// another mailbox, in which its UIDs count as seen. What was learnt of a server,
// except what protects mail, is forgotten with its host, and no back-off is left of
// another mailbox. If another account has the name, that is ledger.ErrNameTaken, and
// nothing changes.
func (l *Lease) Rename(ctx context.Context, to ledger.Identity) error {
	defer l.row.Store(nil)
	return l.write(ctx, &change{run: func(ctx context.Context, s *session, _ *counts) error {
		c := s.conn
		var taken bool
		if err := c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM accounts WHERE name = $1 AND id <> $2)", to.Name, l.account).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return ledger.ErrNameTaken
		}
		var a ledger.Account
		switch err := c.QueryRow(ctx, selectAccounts+" WHERE id = $1 FOR UPDATE", l.account).Scan(accountFields(&a)...); {
		case errors.Is(err, pgx.ErrNoRows):
			return ledger.ErrNotFound
		case err != nil:
			return err
		}
		sameHost := strings.EqualFold(a.Host, to.Host)
		if !sameHost {
			a.Server = ledger.ServerFacts{Capabilities: ledger.Capabilities{Expires: a.Server.Expires}, Habits: ledger.Habits{RetrHides: a.Server.RetrHides}}
		}
		if !sameHost || a.Username != to.Username {
			a.NotBefore = ledger.Account{}.NotBefore
		}
		to.Config = cmp.Or(to.Config, a.Config)
		a.Identity = to
		if err := putIdentity(ctx, c, &a, false); err != nil {
			return err
		}
		_, err := c.Exec(ctx, updateAccount, accountValues(a)...)
		return err
	}})
}

// Forget removes the account with all its messages and counts, and returns the
// number of messages. After that the lease can only be released.
func (l *Lease) Forget(ctx context.Context) (messages int, err error) {
	defer l.row.Store(nil)
	err = l.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue("SELECT count(*) FROM messages WHERE account = $1", l.account).QueryRow(func(row pgx.Row) error { return row.Scan(&messages) })
		b.Queue("DELETE FROM accounts WHERE id = $1", l.account).Exec(one) // its rows in other tables go with it
	}))
	if err != nil {
		return 0, err
	}
	return messages, nil
}

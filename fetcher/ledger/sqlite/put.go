package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Put writes records with all their fields and recipients. Those without an ID
// are new and get one; the others replace their rows. It returns nil when all
// are on disk; after an error none is, and no ID was set. A record that enters
// a state other than Sending is counted for the day.
func (l *Lease) Put(ctx context.Context, recs ...*ledger.Record) error {
	ids := make([]int64, len(recs))
	err := l.write(ctx, func(c *writeConn) (err error) {
		for i, r := range recs {
			if ids[i], err = l.put(c, r); err != nil {
				return fmt.Errorf("message with UID %q: %w", r.UID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, r := range recs {
		r.ID, r.Account = ids[i], l.account
	}
	return nil
}

// put writes one record and returns its ID.
func (l *Lease) put(c *writeConn, r *ledger.Record) (int64, error) {
	if r.Account != 0 && r.Account != l.account {
		return 0, fmt.Errorf("it belongs to account %d, the lease to %d", r.Account, l.account)
	}
	id, before, err := l.putMessage(c, r)
	if err != nil {
		return 0, err
	}
	if r.State != before.state && r.State != ledger.Sending {
		l.count(c, r.State, 1)
	}
	return id, putRecipients(c, id, r.Recipients, before.recipients)
}

// before describes the row that is replaced.
type before struct {
	state      ledger.State // 0: there is none
	sameKey    bool         // its UID and generation stay
	recipients int          // their greatest number
}

// putMessage writes the message without its recipients.
func (l *Lease) putMessage(c *writeConn, r *ledger.Record) (id int64, b before, err error) {
	if r.ID == 0 {
		res, err := c.exec("INSERT INTO messages ("+keyColumns+", "+putColumns+") VALUES (?, ?, ?, "+putMarks+")", append(keyValues(l.account, r), putValues(r)...)...)
		if err != nil {
			return 0, b, err
		}
		id, err = res.LastInsertId()
		return id, b, err
	}
	// Nearly always this is the outcome of a message in state Sending. Trying
	// that first saves a query.
	n, err := c.affect("UPDATE messages SET ("+putColumns+") = ("+putMarks+") WHERE id = ? AND (account, uid, generation, state) = (?, ?, ?, 'sending')",
		append(append(putValues(r), r.ID), keyValues(l.account, r)...)...)
	if err != nil || n > 0 {
		return r.ID, before{state: ledger.Sending, recipients: math.MaxInt}, err
	}
	if b, err = l.before(c, r); err != nil {
		return 0, b, err
	}
	if !b.sameKey { // setting these rewrites their indexes
		if _, err := c.exec("UPDATE messages SET ("+keyColumns+") = (?, ?, ?) WHERE id = ?", append(keyValues(l.account, r), r.ID)...); err != nil {
			return 0, b, err
		}
	}
	_, err = c.exec("UPDATE messages SET ("+putColumns+") = ("+putMarks+") WHERE id = ?", append(putValues(r), r.ID)...)
	return r.ID, b, err
}

// before reads the row that is replaced, or returns ledger.ErrNotFound.
func (l *Lease) before(c *writeConn, r *ledger.Record) (b before, err error) {
	err = c.scan("SELECT state, (uid, generation) = (?, ?), (SELECT count(*) FROM recipients WHERE message = m.id) FROM messages m WHERE id = ? AND account = ?",
		[]any{octets(r.UID), r.Generation, r.ID, l.account}, (*state)(&b.state), &b.sameKey, (*number)(&b.recipients))
	if errors.Is(err, sql.ErrNoRows) {
		err = ledger.ErrNotFound
	}
	return b, err
}

// putRecipients replaces the recipients of a message; before is the greatest
// number of recipients that it had.
func putRecipients(c *writeConn, id int64, rcpts []ledger.Recipient, before int) error {
	if before > len(rcpts) {
		if _, err := c.exec("DELETE FROM recipients WHERE message = ? AND position >= ?", id, len(rcpts)); err != nil {
			return err
		}
	}
	for i, rcpt := range rcpts {
		if _, err := c.exec(`INSERT INTO recipients (message, position, address, state, code, text, attempts, next_attempt, doubts)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET (address, state, code, text, attempts, next_attempt, doubts) =
			(excluded.address, excluded.state, excluded.code, excluded.text, excluded.attempts, excluded.next_attempt, excluded.doubts)`,
			id, i, rcpt.Address, state(rcpt.State), rcpt.Code, rcpt.Text, rcpt.Attempts, millis(rcpt.NextAttempt), rcpt.Doubts); err != nil {
			return fmt.Errorf("recipient %s: %w", rcpt.Address, err)
		}
	}
	return nil
}

// Settle writes the outcome of an intent's transaction or, if that is nil, removes its
// row. A write that failed has left none.
func (l *Lease) Settle(ctx context.Context, intent, outcome *ledger.Record) error {
	switch {
	case outcome != nil:
		return l.Put(ctx, outcome)
	case intent.ID == 0:
		return nil
	default:
		return l.Drop(ctx, intent.ID)
	}
}

// Deleted sets when the server confirmed that these messages are deleted, and
// counts the deletion. They count as missing since then, until SetMissing says that
// they are listed. The zero time unsets both, and the count stays. All must be rows
// of this account in state Forwarded, or nothing changes.
func (l *Lease) Deleted(ctx context.Context, at time.Time, ids ...int64) error {
	confirmed := 1
	if at.IsZero() {
		confirmed = 0
	}
	return l.write(ctx, func(c *writeConn) error {
		return l.each(c, ids, ledger.Forwarded, "UPDATE messages SET (deleted_at, last_seen, deletions) = (?, ?, deletions + ?) WHERE id = ?", millis(at), millis(at), confirmed)
	})
}

// Drop removes rows in state Sending whose transaction did not happen, so that
// their messages are new again. All must be rows of this account in that
// state, or nothing changes.
func (l *Lease) Drop(ctx context.Context, ids ...int64) error {
	return l.write(ctx, func(c *writeConn) error {
		return l.each(c, ids, ledger.Sending, "DELETE FROM messages WHERE id = ?")
	})
}

// SetMissing sets ledger.Known.MissingSince of these messages; the zero time
// means that they are listed again. Messages that stay listed need no write.
// All must be rows of this account, or nothing changes.
func (l *Lease) SetMissing(ctx context.Context, since time.Time, ids []int64) error {
	return l.write(ctx, func(c *writeConn) error {
		return l.each(c, ids, 0, "UPDATE messages SET last_seen = ? WHERE id = ?", millis(since))
	})
}

// Prune forgets messages that have left their server for good: those that it was
// last seen to have before ledger.Account.Forget says. It returns their number. It
// keeps messages that are not forwarded or that have a copy here, accounts whose
// lease is taken, and, where a server hides what was retrieved, all that it was not
// told to delete, for a change of its settings may bring that back.
func (s *Store) Prune(ctx context.Context) (int, error) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return 0, err
	}
	pruned := 0
	for _, a := range accounts {
		n, err := s.pruneAccount(ctx, a)
		if pruned += n; err != nil {
			return pruned, err
		}
	}
	return pruned, nil
}

// toPrune are the rows of an account that can be forgotten.
const toPrune = `SELECT id FROM messages WHERE account = ? AND last_seen < ? AND spool = ''
	AND state IN ('forwarded', 'skipped', 'gone') AND (deleted_at IS NOT NULL OR NOT ?)`

// pruneAccount prunes under the lease: a poll must not lose a row that it has read.
func (s *Store) pruneAccount(ctx context.Context, a ledger.Account) (pruned int, err error) {
	before := a.Forget(s.now())
	if before.IsZero() {
		return 0, nil
	}
	args := []any{a.ID, before.UnixMilli(), a.Server.MayShowAgain()}
	var some bool
	if err := s.read.scan(ctx, "SELECT EXISTS ("+toPrune+")", args, &some); err != nil || !some {
		return 0, explain("read the ledger", s.path, err)
	}
	l, err := s.lease(ctx, a.ID)
	if err != nil {
		if errors.Is(err, ledger.ErrLeased) {
			return 0, nil // another time
		}
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	for {
		var n int64
		// In groups, so that other accounts need not wait; a row that comes back after
		// a power failure is pruned again.
		err := l.change(ctx, s.writeAsync, func(c *writeConn) (err error) {
			n, err = c.affect("DELETE FROM messages WHERE id IN ("+toPrune+" LIMIT ?)", append(args, pruneGroup)...)
			return err
		})
		if pruned += int(n); err != nil || n < pruneGroup {
			return pruned, err
		}
	}
}

// pruneGroup is how many rows are deleted at once.
const pruneGroup = 1000

// each runs a statement for each message, with the id as its last argument.
// All must be of this account and in state want; 0 stands for any.
func (l *Lease) each(c *writeConn, ids []int64, want ledger.State, query string, args ...any) error {
	for _, id := range ids {
		var is ledger.State
		err := c.scan("SELECT state FROM messages WHERE id = ? AND account = ?", []any{id, l.account}, (*state)(&is))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("message %d: %w", id, ledger.ErrNotFound)
		case err != nil:
			return fmt.Errorf("message %d: %w", id, err)
		case want != 0 && is != want:
			return fmt.Errorf("message %d is %s, not %s", id, is, want)
		}
		if _, err := c.exec(query, append(args[:len(args):len(args)], id)...); err != nil {
			return fmt.Errorf("message %d: %w", id, err)
		}
	}
	return nil
}

// usageQuery sums what was sent since a time, by all accounts and by one. What was
// noted for later than now, under a clock that was ahead, counts too.
const usageQuery = `SELECT coalesce(sum(messages), 0), coalesce(sum(octets), 0),
	coalesce(sum(iif(account = ?, messages, 0)), 0), coalesce(sum(iif(account = ?, octets, 0)), 0) FROM sent WHERE quota = ? AND minute > ?`

// usage reads what was sent within the time of each limit.
func (l *Lease) usage(q ledger.Quota, scan func(query string, args []any, dest ...any) error) ([]ledger.Usage, error) {
	used := make([]ledger.Usage, len(q.Limits))
	for i, limit := range q.Limits {
		u := &used[i]
		since := l.store.now().Add(-limit.Per - ledger.Minute).UnixMilli() // a minute counts until its last moment is that old
		if err := scan(usageQuery, []any{l.account, l.account, q.Key, since}, &u.All.Messages, &u.All.Octets, &u.Own.Messages, &u.Own.Octets); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// Usage returns what was sent within the time of each limit of a quota, as far as
// PutWithin has counted it. What was noted under a clock that was ahead counts as sent
// now from then on, so that no wait is longer than a limit's time.
func (l *Lease) Usage(ctx context.Context, q ledger.Quota) ([]ledger.Usage, error) {
	minute := l.store.now().Truncate(ledger.Minute).UnixMilli()
	var ahead bool
	err := l.store.read.scan(ctx, "SELECT EXISTS (SELECT 1 FROM sent WHERE quota = ? AND minute > ?)", []any{q.Key, minute}, &ahead)
	if err == nil && ahead {
		err = l.write(ctx, func(c *writeConn) error {
			if _, err := c.exec(`INSERT INTO sent (quota, minute, account, messages, octets)
				SELECT quota, ?2, account, sum(messages), sum(octets) FROM sent WHERE quota = ?1 AND minute > ?2 GROUP BY account
				ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, octets = octets + excluded.octets`, q.Key, minute); err != nil {
				return err
			}
			_, err := c.exec("DELETE FROM sent WHERE quota = ? AND minute > ?", q.Key, minute)
			return err
		})
	}
	if err != nil {
		return nil, explain("read the ledger", l.store.path, err)
	}
	used, err := l.usage(q, func(query string, args []any, dest ...any) error { return l.store.read.scan(ctx, query, args, dest...) })
	return used, explain("read the ledger", l.store.path, err)
}

// PutWithin is Put for one record whose message is about to be sent: it is counted,
// with its octets, in the same transaction. If the quota does not admit it nothing is
// written, and the error is ledger.ErrQuotaUsedUp or ledger.ErrQuotaTooSmall.
func (l *Lease) PutWithin(ctx context.Context, q ledger.Quota, octets int64, r *ledger.Record) error {
	var id int64
	var refused error
	err := l.write(ctx, func(c *writeConn) error {
		used, err := l.usage(q, c.scan)
		if err != nil {
			return err
		}
		sent := ledger.Amount{Messages: 1, Octets: octets}
		if refused = q.Admits(used, sent); refused != nil {
			return nil //nolint:nilerr // the ledger works
		}
		now := l.store.now()
		if _, err := c.exec(`INSERT INTO sent (quota, minute, account, messages, octets) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, octets = octets + excluded.octets`,
			q.Key, now.Truncate(ledger.Minute).UnixMilli(), l.account, sent.Messages, sent.Octets); err != nil {
			return err
		}
		if _, err := c.exec("DELETE FROM sent WHERE quota = ? AND minute < ?", q.Key, now.Add(-ledger.QuotaLife).UnixMilli()); err != nil {
			return err
		}
		id, err = l.put(c, r)
		return err
	})
	if err != nil || refused != nil {
		return errors.Join(err, refused)
	}
	r.ID, r.Account = id, l.account
	return nil
}

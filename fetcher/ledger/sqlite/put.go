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

// Put writes records with all their fields and recipients: those without an
// ID are new and get one, the others replace their rows. It returns nil when
// all are on disk; after an error none is, and no ID was set. A record that
// comes into a state other than Sending is counted for the day; one that is
// written again in the state it was in is not.
func (l *Lease) Put(ctx context.Context, recs ...*ledger.Record) error {
	ids := make([]int64, len(recs))
	err := l.write(ctx, func(c *session) (err error) {
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
func (l *Lease) put(c *session, r *ledger.Record) (int64, error) {
	if r.Account != 0 && r.Account != l.account {
		return 0, fmt.Errorf("it is of account %d, the lease of %d", r.Account, l.account)
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

// before is what has to be known of a row to replace it.
type before struct {
	state      ledger.State // 0: there is none
	sameKey    bool         // whether its UID and generation stay
	recipients int          // at most
}

// putMessage writes the message itself, and tells what was there before.
func (l *Lease) putMessage(c *session, r *ledger.Record) (id int64, b before, err error) {
	if r.ID == 0 {
		res, err := c.exec("INSERT INTO messages ("+keyColumns+", "+putColumns+") VALUES (?, ?, ?, "+putMarks+")", append(keyValues(l.account, r), putValues(r)...)...)
		if err != nil {
			return 0, b, err
		}
		id, err = res.LastInsertId()
		return id, b, err
	}
	// Nearly always this is the outcome of what was being sent. To try saves to
	// ask.
	n, err := c.affect("UPDATE messages SET ("+putColumns+") = ("+putMarks+") WHERE id = ? AND (account, uid, generation, state) = (?, ?, ?, 'sending')",
		append(append(putValues(r), r.ID), keyValues(l.account, r)...)...)
	if err != nil || n > 0 {
		return r.ID, before{state: ledger.Sending, recipients: math.MaxInt}, err
	}
	if b, err = l.before(c, r); err != nil {
		return 0, b, err
	}
	if !b.sameKey { // to set these is to write their indexes anew, so that is not done without need
		if _, err := c.exec("UPDATE messages SET ("+keyColumns+") = (?, ?, ?) WHERE id = ?", append(keyValues(l.account, r), r.ID)...); err != nil {
			return 0, b, err
		}
	}
	_, err = c.exec("UPDATE messages SET ("+putColumns+") = ("+putMarks+") WHERE id = ?", append(putValues(r), r.ID)...)
	return r.ID, b, err
}

// before reads what has to be known of a row, or returns ledger.ErrNotFound.
func (l *Lease) before(c *session, r *ledger.Record) (b before, err error) {
	err = c.scan("SELECT state, (uid, generation) = (?, ?), (SELECT count(*) FROM recipients WHERE message = m.id) FROM messages m WHERE id = ? AND account = ?",
		[]any{octets(r.UID), r.Generation, r.ID, l.account}, (*state)(&b.state), &b.sameKey, (*number)(&b.recipients))
	if errors.Is(err, sql.ErrNoRows) {
		err = ledger.ErrNotFound
	}
	return b, err
}

// putRecipients replaces the recipients of a message, of which there were so
// many before at most.
func putRecipients(c *session, id int64, rcpts []ledger.Recipient, before int) error {
	if before > len(rcpts) {
		if _, err := c.exec("DELETE FROM recipients WHERE message = ? AND position >= ?", id, len(rcpts)); err != nil {
			return err
		}
	}
	for i, rcpt := range rcpts {
		if _, err := c.exec(`INSERT INTO recipients (message, position, address, state, code, text, attempts, next_attempt)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET (address, state, code, text, attempts, next_attempt) =
			(excluded.address, excluded.state, excluded.code, excluded.text, excluded.attempts, excluded.next_attempt)`,
			id, i, rcpt.Address, state(rcpt.State), rcpt.Code, rcpt.Text, rcpt.Attempts, millis(rcpt.NextAttempt)); err != nil {
			return fmt.Errorf("recipient %s: %w", rcpt.Address, err)
		}
	}
	return nil
}

// Deleted notes when the server confirmed that these messages are deleted,
// and counts it; the zero time takes the former back, not the latter. All must be rows of this account in state
// Forwarded, or nothing changes.
func (l *Lease) Deleted(ctx context.Context, at time.Time, ids ...int64) error {
	confirmed := 1
	if at.IsZero() {
		confirmed = 0
	}
	return l.write(ctx, func(c *session) error {
		return l.each(c, ids, ledger.Forwarded, "UPDATE messages SET deleted_at = ?, deletions = deletions + ? WHERE id = ?", millis(at), confirmed)
	})
}

// Drop removes rows in state Sending, whose transaction did not happen: their
// messages are new again. All must be rows of this account in that state, or
// nothing changes.
func (l *Lease) Drop(ctx context.Context, ids ...int64) error {
	return l.write(ctx, func(c *session) error {
		return l.each(c, ids, ledger.Sending, "DELETE FROM messages WHERE id = ?")
	})
}

// SetMissing sets ledger.Known.MissingSince of these messages; the zero time
// means that they are listed again. Messages that stay listed need no write.
// All must be rows of this account, or nothing changes.
func (l *Lease) SetMissing(ctx context.Context, since time.Time, ids []int64) error {
	return l.write(ctx, func(c *session) error {
		return l.each(c, ids, 0, "UPDATE messages SET last_seen = ? WHERE id = ?", millis(since))
	})
}

// each runs a statement for each message, whose id is its last argument. All
// must be of this account and in this state, 0 for any.
func (l *Lease) each(c *session, ids []int64, in ledger.State, query string, args ...any) error {
	for _, id := range ids {
		switch is, err := l.stateOf(c, id); {
		case err != nil:
			return fmt.Errorf("message %d: %w", id, err)
		case in != 0 && is != in:
			return fmt.Errorf("message %d is %s, not %s", id, is, in)
		}
		if _, err := c.exec(query, append(args[:len(args):len(args)], id)...); err != nil {
			return fmt.Errorf("message %d: %w", id, err)
		}
	}
	return nil
}

// stateOf reads the state of a message of this account, or returns
// ledger.ErrNotFound.
func (l *Lease) stateOf(c *session, id int64) (ledger.State, error) {
	var s ledger.State
	err := c.scan("SELECT state FROM messages WHERE id = ? AND account = ?", []any{id, l.account}, (*state)(&s))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ledger.ErrNotFound
	}
	return s, err
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/popferry/popferry/fetcher/ledger"
)

// one returns ledger.ErrNotFound unless a statement changed a row.
func one(tag pgconn.CommandTag) error {
	if tag.RowsAffected() == 0 {
		return ledger.ErrNotFound
	}
	return nil
}

// Put writes records with all their fields and recipients. Those without an ID
// are new and get one; the others replace their rows. It returns nil when all
// are on disk; after an error none is, and no ID was set, but where the connection
// was lost at the commit: then they may be there. A record that enters a state other
// than Sending is counted for the day.
func (l *Lease) Put(ctx context.Context, recs ...*ledger.Record) error {
	puts := make([]put, len(recs))
	for i, r := range recs {
		var err error
		if puts[i], err = l.newPut(r); err != nil {
			return fmt.Errorf("message with UID %q: %w", r.UID, err)
		}
	}
	c := queued(func(b *pgx.Batch, n *counts) {
		for i := range puts {
			puts[i].queue(b, n)
		}
	})
	if slices.ContainsFunc(puts, put.hasOctets) {
		c = &change{run: func(_ context.Context, s *session, n *counts) error { return putOctets(s, puts, n) }}
	}
	if slices.ContainsFunc(recs, func(r *ledger.Record) bool { return r.State == ledger.Sending }) {
		if err := l.noteHolder(ctx); err != nil {
			return err
		}
	}
	if err := l.write(ctx, c); err != nil {
		return err
	}
	l.unstage(puts...)
	for i, r := range recs {
		r.ID, r.Account = puts[i].id, l.account
	}
	return nil
}

// put is the writing of one record.
type put struct {
	lease   *Lease
	rec     *ledger.Record
	values  []any
	copy    io.WriterTo // what is to be kept with it; nil: nothing new
	refused io.WriterTo // what goes into quarantine with it; nil: nothing
	id      int64       // once it is written
}

func (l *Lease) newPut(r *ledger.Record) (put, error) {
	if r.Account != 0 && r.Account != l.account {
		return put{}, fmt.Errorf("it belongs to account %d, the lease to %d", r.Account, l.account)
	}
	values, err := putValues(l.account, r)
	return put{lease: l, rec: r, values: values, copy: l.copies.get(r.CopyFile), refused: l.quarantine.get(r.Trace), id: r.ID}, err
}

const (
	insertMessage = "INSERT INTO messages (" + putColumns + ", sender) VALUES (" + putMarks + ", $32) RETURNING id"
	// What another process has forwarded stays so: it may have noted only now what it knew
	// (Settle), after this one had read the row.
	updateMessage = `UPDATE messages m SET (` + putColumns + `, sender) = (` + putMarks + `, CASE WHEN $4 = 'sending' THEN $33::text ELSE m.sender END)
		FROM (SELECT id, state FROM messages WHERE id = $32 AND account = $1 FOR UPDATE) was
		WHERE m.id = was.id AND NOT (was.state = 'forwarded' AND ($4 = 'sending' OR $4 <> 'forwarded' AND m.sender NOT IN ('', $33::text))) RETURNING was.state`
	// Of an intent: see Settle.
	intended = `m.account = $1 AND sha256(m.uid) = sha256($2) AND m.generation = $3 AND m.trace = $4 AND m.attempts = $5 AND $6::bigint IN (0, m.id)
		AND m.state IN ('sending', 'unknown') AND m.sender = $7`
)

func (p *put) queue(b *pgx.Batch, n *counts) {
	if p.rec.ID == 0 {
		b.Queue(insertMessage, append(slices.Clip(p.values), p.lease.sender())...).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&p.id); err != nil {
				return fmt.Errorf("message with UID %q: %w", p.rec.UID, err)
			}
			p.entered(n, 0)
			return nil
		})
		return
	}
	b.Queue(updateMessage, append(slices.Clip(p.values), p.rec.ID, p.lease.sender())...).QueryRow(func(row pgx.Row) error {
		var was ledger.State
		switch err := row.Scan((*state)(&was)); {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("message with UID %q: %w, or it was forwarded meanwhile", p.rec.UID, ledger.ErrNotFound)
		case err != nil:
			return fmt.Errorf("message with UID %q: %w", p.rec.UID, err)
		}
		p.entered(n, was)
		return nil
	})
	if p.rec.CopyFile == "" {
		b.Queue("DELETE FROM copies WHERE message = $1", p.rec.ID)
	}
}

// entered counts the state, if it is another than before.
func (p *put) entered(n *counts, was ledger.State) {
	if p.rec.State != was && p.rec.State != ledger.Sending {
		p.lease.count(n, p.rec.State)
	}
}

// Settle writes the result of an intent: the outcome of its transaction or, if
// that is nil, that there was none, and the row goes. It is a fact about the past, so
// it is written even if the lease is lost, once the database is back: where the row
// still is that of this attempt. If another process has gone on with the message
// meanwhile, that is ledger.ErrLost.
func (l *Lease) Settle(ctx context.Context, intent, outcome *ledger.Record) error {
	var err error
	switch {
	case outcome != nil:
		err = l.Put(ctx, outcome)
	case intent.ID != 0:
		err = l.Drop(ctx, intent.ID)
	default: // whether the intent was written is not known
		err = l.Alive()
		if err == nil {
			err = l.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
				b.Queue("DELETE FROM messages m WHERE "+intended, l.intentValues(intent)...)
			}))
		}
	}
	if !errors.Is(err, ledger.ErrLost) {
		return err
	}
	return l.settleLate(ctx, intent, outcome)
}

func (l *Lease) intentValues(intent *ledger.Record) []any {
	return []any{l.account, octets(intent.UID), intent.Generation, text(intent.Trace), intent.Attempts, intent.ID, l.sender()}
}

// sender tells intents of the same attempt apart, which have the same trace: those of
// another process, or of this one after it has lost the lease.
func (l *Lease) sender() string { return fmt.Sprintf("%x/%d", l.store.process, l.session.number) }

// settleLate settles an intent without the lease.
func (l *Lease) settleLate(ctx context.Context, intent, outcome *ledger.Record) error {
	if err := l.store.notMoved(ctx); err != nil {
		return err
	}
	if outcome == nil {
		return l.store.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
			b.Queue("DELETE FROM messages m WHERE "+intended, l.intentValues(intent)...)
		}))
	}
	p, err := l.newPut(outcome)
	if err != nil {
		return err
	}
	return l.store.write(ctx, &change{run: func(ctx context.Context, s *session, n *counts) error {
		c := s.conn
		var is ledger.State
		var attempts int
		row := c.QueryRow(ctx, "SELECT m.id, m.state, m.attempts FROM messages m WHERE m.account = $1 AND sha256(m.uid) = sha256($2) AND m.generation = $3 AND m.trace = $4 AND m.sender = $5 FOR UPDATE",
			append(l.intentValues(intent)[:4:4], l.sender())...)
		switch err := row.Scan(&p.id, (*state)(&is), &attempts); {
		case errors.Is(err, pgx.ErrNoRows) && outcome.State == ledger.Deferred:
			return nil // the intent was never written
		case err != nil && !errors.Is(err, pgx.ErrNoRows):
			return err
		case err == nil && is == outcome.State && attempts == outcome.Attempts:
			return nil // it was written, and only the answer was lost
		case err != nil, attempts != intent.Attempts, is != ledger.Sending && is != ledger.Unknown:
			return fmt.Errorf("message with UID %q: another process has gone on with it: %w", intent.UID, ledger.ErrLost)
		}
		if _, err := c.Exec(ctx, updateMessage, append(slices.Clip(p.values), p.id, l.sender())...); err != nil {
			return err
		}
		p.entered(n, is)
		return p.writeOctets(s)
	}})
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
	return l.change(ctx, ids, "UPDATE messages SET deleted_at = $3, missing_since = $3, deletions = deletions + $4 WHERE state = 'forwarded' AND ", moment(at), confirmed)
}

// Drop removes rows in state Sending whose transaction did not happen, so that
// their messages are new again. All must be rows of this account in that
// state, or nothing changes.
func (l *Lease) Drop(ctx context.Context, ids ...int64) error {
	return l.change(ctx, ids, "DELETE FROM messages WHERE state = 'sending' AND ")
}

// SetMissing sets ledger.Known.MissingSince of these messages; the zero time
// means that they are listed again. Messages that stay listed need no write.
// All must be rows of this account, or nothing changes.
func (l *Lease) SetMissing(ctx context.Context, since time.Time, ids []int64) error {
	return l.change(ctx, ids, "UPDATE messages SET missing_since = $3 WHERE ", moment(since))
}

// change runs a statement for these rows of the account, which must change all of
// them. Its own arguments begin with $3.
func (l *Lease) change(ctx context.Context, ids []int64, statement string, args ...any) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	return l.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue(statement+"account = $1 AND id = ANY ($2)", append([]any{l.account, ids}, args...)...).Exec(func(tag pgconn.CommandTag) error {
			if n := int(tag.RowsAffected()); n != len(ids) {
				return fmt.Errorf("%d of %d messages: %w in that state", len(ids)-n, len(ids), ledger.ErrNotFound)
			}
			return nil
		})
	}))
}

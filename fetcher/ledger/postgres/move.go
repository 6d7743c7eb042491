package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Sent returns all that is remembered of what was sent.
func (s *Store) Sent(ctx context.Context) ([]ledger.Sent, error) {
	fields := func(u *ledger.Sent) []any {
		return []any{&u.Quota, (*moment)(&u.Minute), &u.Account, &u.Messages, &u.Octets}
	}
	return query(ctx, s, fields, "SELECT quota, minute, account, messages, octets FROM sent ORDER BY quota, minute, account")
}

// MarkMoved notes where the ledger is now.
func (s *Store) MarkMoved(ctx context.Context, to string) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) { b.Queue("UPDATE ledger SET moved = $1", text(to)).Exec(one) }))
}

// notMoved returns a *ledger.MovedError if the ledger has moved.
func (s *Store) notMoved(ctx context.Context) error {
	var to string
	if err := s.scan(ctx, "SELECT moved FROM ledger", nil, &to); err != nil {
		return err
	}
	if to != "" {
		return &ledger.MovedError{Where: s.db.Where, To: to}
	}
	return nil
}

// Fill writes all that another ledger has, with the octets of retained copies and
// quarantine, in one transaction. If there is something in this ledger, the error is
// ledger.ErrNotEmpty, and nothing changes.
func (s *Store) Fill(ctx context.Context, from ledger.Contents) error {
	sealed := make([]ledger.Token, len(from.Tokens))
	for i, t := range from.Tokens {
		var err error
		if sealed[i], err = s.sealed(t); err != nil {
			return err
		}
	}
	from.Tokens = sealed
	return s.write(ctx, &change{run: func(_ context.Context, on *session, _ *counts) error {
		return (&filler{ctx: ctx, session: on, store: s, batch: &pgx.Batch{}}).fill(from)
	}})
}

// filler fills a ledger, in batches.
type filler struct {
	ctx     context.Context
	session *session
	store   *Store
	batch   *pgx.Batch
}

// fillBatch is how many rows are sent at once.
const fillBatch = 500

func (f *filler) put(statement string, args ...any) error {
	f.batch.Queue(statement, args...)
	if f.batch.Len() < fillBatch {
		return nil
	}
	return f.flush()
}

func (f *filler) flush() error {
	b := f.batch
	f.batch = &pgx.Batch{}
	if err := f.ctx.Err(); err != nil || b.Len() == 0 {
		return err
	}
	return f.session.ask(b)
}

func (f *filler) fill(from ledger.Contents) error {
	var full bool
	f.batch.Queue("SELECT pg_advisory_xact_lock($1)", int64(claimLock))
	f.batch.Queue("SELECT EXISTS (SELECT FROM accounts) OR EXISTS (SELECT FROM routes) OR EXISTS (SELECT FROM tokens) OR EXISTS (SELECT FROM quarantine)").
		QueryRow(func(row pgx.Row) error { return row.Scan(&full) })
	if err := f.flush(); err != nil {
		return err
	}
	if full {
		return fmt.Errorf("%s: %w", f.store.db.Where, ledger.ErrNotEmpty)
	}
	for _, a := range from.Accounts {
		err := f.put("INSERT INTO accounts (id, name, username, host, port, config) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6)", a.ID, a.Name, a.Username, a.Host, a.Port, a.Config)
		if err == nil {
			err = f.put(updateAccount, accountValues(a)...)
		}
		if err != nil {
			return err
		}
	}
	if err := from.Records(f.ctx, func(r *ledger.Record) error { return f.record(r, from) }); err != nil {
		return err
	}
	if err := f.rest(from); err != nil {
		return err
	}
	for _, table := range []string{"accounts", "messages"} {
		f.batch.Queue("SELECT setval(pg_get_serial_sequence('popferry." + table + "', 'id'), (SELECT max(id) FROM " + table + "), true)")
	}
	return f.flush()
}

// record writes a message, and its retained copy if it is there.
func (f *filler) record(r *ledger.Record, from ledger.Contents) error {
	values, err := putValues(r.Account, r)
	if err != nil {
		return fmt.Errorf("message with UID %q: %w", r.UID, err)
	}
	if err := f.put("INSERT INTO messages ("+putColumns+", id) OVERRIDING SYSTEM VALUE VALUES ("+putMarks+", $32)", append(values, r.ID)...); err != nil || r.CopyFile == "" {
		return err
	}
	octets, err := from.OpenCopy(f.ctx, r.Account, r.CopyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return f.octets(octets, putCopy, r.ID)
}

// octets writes octets for a row, which is there then.
func (f *filler) octets(octets io.WriterTo, insert string, key any, args ...any) error {
	err := f.flush()
	if err == nil {
		w := &pieces{session: f.session, insert: insert, key: key, args: args}
		if _, err = octets.WriteTo(w); err == nil {
			err = w.flush()
		}
	}
	if closer, ok := octets.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	return err
}

// rest writes all but accounts and messages.
func (f *filler) rest(from ledger.Contents) error {
	for _, d := range from.Days {
		if err := f.put("INSERT INTO days (date, account, outcome, count) VALUES ($1::text::date, $2, $3, $4)", d.Date, d.Account, state(d.Outcome), d.Count); err != nil {
			return err
		}
	}
	for _, r := range from.Routes {
		if err := f.put("INSERT INTO routes (key, "+routeColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", routeHash(r.RouteKey), text(r.Destination), text(r.Server), text(r.Recipients),
			r.Failures, moment(r.NotBefore), text(r.Cause.Code), text(r.Cause.Text), moment(r.LastSuccess), text(r.Facts), r.Tried); err != nil {
			return err
		}
	}
	for _, n := range from.Notices {
		if err := f.put(putNotice, noticeValues(n)...); err != nil {
			return err
		}
	}
	for _, t := range from.Tokens {
		if err := f.put(putToken, tokenValues(t, 0)...); err != nil {
			return err
		}
	}
	for _, u := range from.Sent {
		if err := f.put(addSent, text(u.Quota), moment(u.Minute), u.Account, u.Messages, u.Octets); err != nil {
			return err
		}
	}
	for _, q := range from.Quarantine {
		octets, err := from.OpenQuarantine(f.ctx, q.Trace)
		if err != nil {
			return err
		}
		const put = "INSERT INTO quarantine (trace, position, octets, account, stored) VALUES ($1, $2, $3, $4, $5)"
		if err := f.octets(octets, put, q.Trace, q.Account, moment(q.Stored)); err != nil {
			return err
		}
	}
	return nil
}

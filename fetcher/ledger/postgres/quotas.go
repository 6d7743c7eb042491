package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

const (
	// sumSent sums what was sent since a time, by all accounts and by one. What was
	// noted for later than now, under a clock that was ahead, counts too.
	sumSent = `SELECT coalesce(sum(messages), 0)::bigint, coalesce(sum(octets), 0)::bigint,
		coalesce(sum(messages) FILTER (WHERE account = $3), 0)::bigint, coalesce(sum(octets) FILTER (WHERE account = $3), 0)::bigint
		FROM sent WHERE quota = $1 AND minute > $2`
	addSent = `INSERT INTO sent (quota, minute, account, messages, octets) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (quota, minute, account) DO UPDATE SET messages = sent.messages + excluded.messages, octets = sent.octets + excluded.octets`
	// countNow has what was noted for later than a minute count for that minute.
	countNow = `WITH ahead AS (DELETE FROM sent WHERE quota = $1 AND minute > $2 RETURNING account, messages, octets)
		INSERT INTO sent (quota, minute, account, messages, octets)
		SELECT $1, $2, account, sum(messages), sum(octets) FROM ahead GROUP BY account
		ON CONFLICT (quota, minute, account) DO UPDATE SET messages = sent.messages + excluded.messages, octets = sent.octets + excluded.octets`
)

// sumOf is the query for what was sent within the time of a limit. A minute counts
// until its last moment is that old.
func (l *Lease) sumOf(q ledger.Quota, limit ledger.Limit) []any {
	return []any{text(q.Key), l.store.Now().Add(-limit.Per - ledger.Minute), l.account}
}

func usageFields(u *ledger.Usage) []any {
	return []any{&u.All.Messages, &u.All.Octets, &u.Own.Messages, &u.Own.Octets}
}

// Usage returns what was sent within the time of each limit of a quota, as far as
// PutWithin has counted it. What was noted under a clock that was ahead counts as sent
// now from then on, so that no wait is longer than a limit's time.
func (l *Lease) Usage(ctx context.Context, q ledger.Quota) ([]ledger.Usage, error) {
	minute := l.store.Now().Truncate(ledger.Minute)
	var ahead bool
	if err := l.store.scan(ctx, "SELECT EXISTS (SELECT 1 FROM sent WHERE quota = $1 AND minute > $2)", []any{text(q.Key), minute}, &ahead); err != nil {
		return nil, err
	}
	if ahead {
		err := l.write(ctx, queued(func(b *pgx.Batch, _ *counts) { b.Queue(countNow, text(q.Key), minute) }))
		if err != nil {
			return nil, err
		}
	}
	used := make([]ledger.Usage, len(q.Limits))
	for i, limit := range q.Limits {
		if err := l.store.scan(ctx, sumSent, l.sumOf(q, limit), usageFields(&used[i])...); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// PutWithin is Put for one record whose message is about to be sent: it is counted,
// with its octets, in the same transaction. If the quota does not admit it nothing is
// written, and the error is ledger.ErrQuotaUsedUp or ledger.ErrQuotaTooSmall.
func (l *Lease) PutWithin(ctx context.Context, q ledger.Quota, octets int64, r *ledger.Record) error {
	p, err := l.newPut(r)
	if err != nil {
		return err
	}
	if err := l.noteHolder(ctx); err != nil {
		return err
	}
	var refused error
	err = l.write(ctx, &change{run: func(ctx context.Context, s *session, n *counts) error {
		if refused, err = l.spend(ctx, s.conn, q, octets); err != nil || refused != nil {
			return err
		}
		b := &pgx.Batch{}
		p.queue(b, n)
		return s.ask(b)
	}})
	if err != nil || refused != nil {
		return errors.Join(err, refused)
	}
	r.ID, r.Account = p.id, l.account
	return nil
}

// spend counts a message if the quota admits it. Until the transaction ends, other
// processes wait with theirs: they must not count on the same room.
func (l *Lease) spend(ctx context.Context, c *pgx.Conn, q ledger.Quota, octets int64) (refused, err error) {
	if _, err := c.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", l.store.key("quota", q.Key)); err != nil {
		return nil, err
	}
	used := make([]ledger.Usage, len(q.Limits))
	for i, limit := range q.Limits {
		if err := c.QueryRow(ctx, sumSent, l.sumOf(q, limit)...).Scan(usageFields(&used[i])...); err != nil {
			return nil, err
		}
	}
	sent := ledger.Amount{Messages: 1, Octets: octets}
	if refused := q.Admits(used, sent); refused != nil {
		return refused, nil
	}
	now := l.store.Now()
	b := &pgx.Batch{}
	b.Queue(addSent, text(q.Key), now.Truncate(ledger.Minute), l.account, sent.Messages, sent.Octets)
	b.Queue("DELETE FROM sent WHERE quota = $1 AND minute < $2", text(q.Key), now.Add(-ledger.QuotaLife))
	return nil, c.SendBatch(ctx, b).Close()
}

package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// outcome is a count for one account and day.
type outcome struct {
	date    string // 2006-01-02, in UTC
	account int64
	state   ledger.State
	n       int64
}

// count adds n to today's count of an outcome, at the end of the transaction.
func (l *Lease) count(c *writeConn, s ledger.State, n int64) {
	c.counts = append(c.counts, outcome{l.store.now().UTC().Format(time.DateOnly), l.account, s, n})
}

// putCounts writes what was counted in a transaction, each outcome once.
func (c *writeConn) putCounts() error {
	sums := make(map[outcome]int64, 4)
	for _, o := range c.counts {
		n := o.n
		o.n = 0
		sums[o] += n
	}
	for o, n := range sums {
		// The account may have been forgotten in the same transaction.
		if _, err := c.exec(`INSERT INTO days (date, account, outcome, count) SELECT ?, id, ?, ? FROM accounts WHERE id = ?
			ON CONFLICT DO UPDATE SET count = count + excluded.count`, o.date, state(o.state), n, o.account); err != nil {
			return err
		}
	}
	return nil
}

// Counts returns how many messages of each account are in each state. States
// and accounts without messages are not in the maps.
func (s *Store) Counts(ctx context.Context) (map[int64]map[ledger.State]int, error) {
	type group struct {
		account int64
		state   ledger.State
		n       int
	}
	groups, err := query(ctx, s.read, func(g *group) []any { return []any{&g.account, (*state)(&g.state), &g.n} },
		"SELECT account, state, count(*) FROM messages GROUP BY account, state")
	if err != nil {
		return nil, explain("read the ledger", s.path, err)
	}
	counts := make(map[int64]map[ledger.State]int)
	for _, g := range groups {
		if counts[g.account] == nil {
			counts[g.account] = make(map[ledger.State]int)
		}
		counts[g.account][g.state] = g.n
	}
	return counts, nil
}

// Days returns the counts of the day of since, in UTC, and later: by date,
// then account.
func (s *Store) Days(ctx context.Context, since time.Time) ([]ledger.Day, error) {
	days, err := query(ctx, s.read, func(d *ledger.Day) []any { return []any{&d.Account, &d.Date, (*state)(&d.Outcome), &d.Count} },
		"SELECT account, date, outcome, count FROM days WHERE date >= ? ORDER BY date, account, outcome", since.UTC().Format(time.DateOnly))
	return days, explain("read the ledger", s.path, err)
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

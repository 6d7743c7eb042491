package sqlite

import (
	"context"
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

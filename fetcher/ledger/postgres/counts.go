package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// outcome is a message that has entered a state.
type outcome struct {
	account int64
	date    time.Time
	state   ledger.State
}

// counts are the outcomes of a transaction, written at its end.
type counts []outcome

// count adds an outcome of today.
func (l *Lease) count(n *counts, s ledger.State) {
	*n = append(*n, outcome{l.account, day(l.store.Now()), s})
}

// day is the day of a time, in UTC.
func day(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// queue queues what was counted, each outcome once.
func (n counts) queue(b *pgx.Batch) {
	if len(n) == 0 {
		return
	}
	slices.SortFunc(n, func(a, b outcome) int {
		return cmp.Or(cmp.Compare(a.account, b.account), a.date.Compare(b.date), cmp.Compare(a.state, b.state))
	})
	var accounts, numbers []int64
	var dates []time.Time
	var states []string
	for i, o := range n {
		if i > 0 && o == n[i-1] {
			numbers[len(numbers)-1]++
			continue
		}
		accounts, dates, states, numbers = append(accounts, o.account), append(dates, o.date), append(states, o.state.String()), append(numbers, 1)
	}
	// The account may have been forgotten in the same transaction.
	b.Queue(`INSERT INTO days (account, date, outcome, count)
		SELECT o.account, o.date, o.outcome, o.count FROM unnest($1::bigint[], $2::date[], $3::text[], $4::bigint[]) AS o (account, date, outcome, count)
		JOIN accounts a ON a.id = o.account
		ON CONFLICT (account, date, outcome) DO UPDATE SET count = days.count + excluded.count`, accounts, dates, states, numbers)
}

// Counts returns how many messages of each account are in each state. States
// and accounts without messages are not in the maps.
func (s *Store) Counts(ctx context.Context) (map[int64]map[ledger.State]int, error) {
	all := make(map[int64]map[ledger.State]int)
	err := s.each(ctx, "SELECT account, state, count(*) FROM messages GROUP BY account, state", nil, func(rows pgx.Rows) error {
		var account int64
		var in ledger.State
		var n int
		if err := rows.Scan(&account, (*state)(&in), &n); err != nil {
			return err
		}
		if all[account] == nil {
			all[account] = make(map[ledger.State]int)
		}
		all[account][in] = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Days returns the counts of the day of since, in UTC, and later: by date,
// then account.
func (s *Store) Days(ctx context.Context, since time.Time) ([]ledger.Day, error) {
	return query(ctx, s, func(d *ledger.Day) []any { return []any{&d.Account, &d.Date, (*state)(&d.Outcome), &d.Count} },
		`SELECT account, to_char(date, 'YYYY-MM-DD'), outcome, count FROM days WHERE date >= $1 ORDER BY date, account, outcome COLLATE "C"`, day(since))
}

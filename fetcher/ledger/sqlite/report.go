package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Counts returns how many messages of each account are in each state. What is
// not in the maps is none.
func (s *Store) Counts(ctx context.Context) (map[int64]map[ledger.State]int, error) {
	counts, err := s.counts(ctx)
	return counts, explain("read the ledger", s.path, err)
}

func (s *Store) counts(ctx context.Context) (counts map[int64]map[ledger.State]int, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT account, state, count(*) FROM messages GROUP BY account, state")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	counts = make(map[int64]map[ledger.State]int)
	for rows.Next() {
		var account int64
		var in ledger.State
		var n int
		if err := rows.Scan(&account, (*state)(&in), &n); err != nil {
			return nil, err
		}
		if counts[account] == nil {
			counts[account] = make(map[ledger.State]int)
		}
		counts[account][in] = n
	}
	return counts, rows.Err()
}

// Days returns what was counted on the day of since and later, in UTC: by
// date, then account.
func (s *Store) Days(ctx context.Context, since time.Time) ([]ledger.Day, error) {
	days, err := s.days(ctx, since)
	return days, explain("read the ledger", s.path, err)
}

func (s *Store) days(ctx context.Context, since time.Time) (days []ledger.Day, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT account, date, outcome, count FROM days WHERE date >= ? ORDER BY date, account, outcome",
		since.UTC().Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d ledger.Day
		if err := rows.Scan(&d.Account, &d.Date, (*state)(&d.Outcome), &d.Count); err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, rows.Err()
}

// Prune forgets the messages whose deletion was confirmed before a time, and
// returns how many. Whatever is or may be on its server stays.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	var n int64
	err := s.write(ctx, func(c *session) (err error) {
		n, err = c.affect("DELETE FROM messages WHERE deleted_at < ?", before.UnixMilli())
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

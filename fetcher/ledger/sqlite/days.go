package sqlite

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// outcome is a count for one account's day.
type outcome struct {
	date    string
	account int64
	state   ledger.State
	n       int64
}

// count adds to the day's count of an outcome, at the end of the transaction.
func (l *Lease) count(c *session, s ledger.State, n int64) {
	c.counts = append(c.counts, outcome{l.store.now().UTC().Format(time.DateOnly), l.account, s, n})
}

// putCounts writes what was counted in a transaction, each outcome once.
func (c *session) putCounts() error {
	sums := make(map[outcome]int64, 4)
	for _, o := range c.counts {
		n := o.n
		o.n = 0
		sums[o] += n
	}
	for o, n := range sums {
		// An account that was forgotten in the same transaction has no days.
		if _, err := c.exec(`INSERT INTO days (date, account, outcome, count) SELECT ?, id, ?, ? FROM accounts WHERE id = ?
			ON CONFLICT DO UPDATE SET count = count + excluded.count`, o.date, state(o.state), n, o.account); err != nil {
			return err
		}
	}
	return nil
}

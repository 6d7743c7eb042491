package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

const selectRecords = "SELECT " + knownColumns + ", " + restColumns + ", " + recipientColumns + `
	FROM messages m LEFT JOIN recipients r ON r.message = m.id`

// Record returns a message of the account, or ledger.ErrNotFound.
func (l *Lease) Record(ctx context.Context, id int64) (*ledger.Record, error) {
	var found *ledger.Record
	err := records(ctx, preparedQueries{l.store.read}, func(r *ledger.Record) error { found = r; return nil },
		selectRecords+" WHERE m.id = ? AND m.account = ? ORDER BY r.position", id, l.account)
	switch {
	case err != nil:
		return nil, explain("read the ledger", l.store.path, err)
	case found == nil:
		return nil, fmt.Errorf("message %d: %w", id, ledger.ErrNotFound)
	}
	return found, nil
}

// Marked returns the messages of the account that may have arrived, and for which
// their destination can be asked (ledger.Record.Mark), in the order in which they
// were first written.
func (l *Lease) Marked(ctx context.Context) (marked []*ledger.Record, err error) {
	err = records(ctx, preparedQueries{l.store.read}, func(r *ledger.Record) error { marked = append(marked, r); return nil },
		selectRecords+" WHERE m.account = ? AND m.mark <> '' ORDER BY m.id, r.position", l.account)
	return marked, explain("read the ledger", l.store.path, err)
}

// Messages yields all messages that pass the filter, with the name of their
// account: by account, then in the order in which they were first written. An
// error of yield ends it and is returned.
//
// It reads them in groups, and yields outside of any transaction: however long
// yield takes, the log of writes does not have to keep what was replaced since. So
// each message is as it was at some time during the call, and those that come or
// go meanwhile may be left out.
func (s *Store) Messages(ctx context.Context, f ledger.Filter, yield func(account string, r *ledger.Record) error) error {
	accounts, err := query(ctx, s.read, accountFields, selectAccounts+" WHERE ? IN ('', name) ORDER BY name", f.Account)
	for i := 0; err == nil && i < len(accounts); i++ {
		err = s.messagesOf(ctx, accounts[i], f, yield)
	}
	return explain("read the ledger", s.path, err)
}

// Copies returns the messages that have a retained copy, in the order in which they
// were first written.
func (s *Store) Copies(ctx context.Context) ([]ledger.Copy, error) {
	list, err := query(ctx, s.read, func(c *ledger.Copy) []any { return []any{&c.Account, (*octets)(&c.UID), (*state)(&c.State), &c.File} },
		"SELECT account, uid, state, spool FROM messages WHERE spool <> '' ORDER BY id")
	return list, explain("read the ledger", s.path, err)
}

// groupSize is how many messages are read at once.
const groupSize = 256

// messagesOf yields the messages of one account.
func (s *Store) messagesOf(ctx context.Context, a ledger.Account, f ledger.Filter, yield func(account string, r *ledger.Record) error) error {
	where, args := filtered(a.ID, f)
	all, err := query(ctx, s.read, func(id *int64) []any { return []any{id} }, "SELECT m.id FROM messages m"+where, args...)
	if err != nil {
		return err
	}
	slices.Sort(all) // sorting in SQLite takes longer
	for group := range slices.Chunk(all, groupSize) {
		read := make([]*ledger.Record, 0, len(group))
		err := records(ctx, s.read, func(r *ledger.Record) error { read = append(read, r); return nil },
			selectRecords+where+" AND m.id IN (SELECT value FROM json_each(?)) ORDER BY m.id, r.position", append(args, asJSON[[]int64]{&group})...)
		if err != nil {
			return err
		}
		for _, r := range read {
			if err := yield(a.Name, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// filtered is the condition for the messages of one account that pass the filter.
func filtered(account int64, f ledger.Filter) (where string, args []any) {
	where, args = " WHERE m.account = ?", []any{account}
	if f.State != 0 {
		where, args = where+" AND m.state = ?", append(args, state(f.State))
	}
	if f.UID != "" {
		where, args = where+" AND m.uid = ?", append(args, octets(f.UID))
	}
	return where, args[:len(args):len(args)]
}

// records yields the messages of a query that begins with selectRecords and is
// ordered by message. It has a row for each recipient.
func records(ctx context.Context, db querier, yield func(*ledger.Record) error, text string, args ...any) (err error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var current *ledger.Record
	for rows.Next() {
		r, rcpt, exists := &ledger.Record{}, ledger.Recipient{}, false
		fields := append(append(knownFields(&r.Known), restFields(r)...), recipientFields(&exists, &rcpt)...)
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		if current == nil || current.ID != r.ID {
			if current != nil {
				if err := yield(current); err != nil {
					return err
				}
			}
			current = r
		}
		if exists {
			current.Recipients = append(current.Recipients, rcpt)
		}
	}
	if err := rows.Err(); err != nil || current == nil {
		return err
	}
	return yield(current)
}

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

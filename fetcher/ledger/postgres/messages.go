package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/popferry/popferry/fetcher/ledger"
)

const selectRecords = "SELECT " + knownColumns + ", " + restColumns + " FROM messages m WHERE m.account = $1 AND "

// records reads messages of the account, in the order in which they were first
// written. The arguments of the condition begin with $2.
func (l *Lease) records(ctx context.Context, where string, args ...any) (list []*ledger.Record, err error) {
	return l.store.records(ctx, l.account, where, args...)
}

func (s *Store) records(ctx context.Context, account int64, where string, args ...any) (list []*ledger.Record, err error) {
	err = s.each(ctx, selectRecords+where+" ORDER BY m.id", append([]any{account}, args...), func(rows pgx.Rows) (err error) {
		var r ledger.Record
		var to recipients
		if err := rows.Scan(recordFields(&r, &to)...); err != nil {
			return err
		}
		if r.Recipients, err = to.ledger(); err != nil {
			return fmt.Errorf("message %d: %w", r.ID, err)
		}
		list = append(list, &r)
		return nil
	})
	return list, err
}

// Record returns a message of the account, or ledger.ErrNotFound.
func (l *Lease) Record(ctx context.Context, id int64) (*ledger.Record, error) {
	list, err := l.records(ctx, "m.id = $2", id)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, fmt.Errorf("message %d: %w", id, ledger.ErrNotFound)
	}
	return list[0], nil
}

// Marked returns the messages of the account that may have arrived, and for which
// their destination can be asked (ledger.Record.Mark), in the order in which they
// were first written.
func (l *Lease) Marked(ctx context.Context) ([]*ledger.Record, error) {
	return l.records(ctx, "m.mark <> ''")
}

// Known returns the rows that a listing is compared with: all messages of the
// account, in the order in which they were first written.
func (l *Lease) Known(ctx context.Context) (*ledger.Rows, error) {
	var known *ledger.Rows
	var k ledger.Known
	fields := knownFields(&k)
	// Sorting here takes less time than there.
	err := l.store.each(ctx, "SELECT "+knownColumns+" FROM messages m WHERE m.account = $1", []any{l.account}, func(rows pgx.Rows) error {
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		if known == nil {
			known = ledger.NewRows(0)
		}
		known.Add(&k)
		return nil
	})
	if err != nil || known == nil {
		return nil, err
	}
	known.SortByID()
	return known, nil
}

// Messages yields all messages that pass the filter, with the name of their
// account: by account, then in the order in which they were first written. An
// error of yield ends it and is returned.
//
// It reads them in groups, and yields outside of any transaction. So each message is
// as it was at some time during the call, and those that come or go meanwhile may be
// left out.
func (s *Store) Messages(ctx context.Context, f ledger.Filter, yield func(account string, r *ledger.Record) error) error {
	accounts, err := query(ctx, s, accountFields, selectAccounts+" WHERE $1 IN ('', name) ORDER BY name", f.Account)
	for i := 0; err == nil && i < len(accounts); i++ {
		err = s.messagesOf(ctx, accounts[i], f, yield)
	}
	return err
}

// groupSize is how many messages are read at once.
const groupSize = 256

// messagesOf yields the messages of one account.
func (s *Store) messagesOf(ctx context.Context, a ledger.Account, f ledger.Filter, yield func(account string, r *ledger.Record) error) error {
	where, args := filtered(f)
	all, err := query(ctx, s, func(id *int64) []any { return []any{id} }, "SELECT m.id FROM messages m WHERE m.account = $1 AND "+where, append([]any{a.ID}, args...)...)
	if err != nil {
		return err
	}
	slices.Sort(all) // sorting in the database takes longer
	for group := range slices.Chunk(all, groupSize) {
		read, err := s.records(ctx, a.ID, fmt.Sprintf("%s AND m.id = ANY ($%d)", where, len(args)+2), append(slices.Clip(args), group)...)
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

// filtered is the condition for the messages that pass the filter. Its arguments
// begin with $2.
func filtered(f ledger.Filter) (where string, args []any) {
	where = "true"
	add := func(condition string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(condition, len(args)+1)
	}
	if f.State != 0 {
		add(" AND m.state = $%d", f.State.String())
	}
	if f.UID != "" {
		add(" AND sha256(m.uid) = sha256($%d)", octets(f.UID)) // as in the index
	}
	return where, args
}

// Copies returns the messages that have a retained copy, in the order in which they
// were first written.
func (s *Store) Copies(ctx context.Context) ([]ledger.Copy, error) {
	return query(ctx, s, func(c *ledger.Copy) []any { return []any{&c.Account, (*octets)(&c.UID), (*state)(&c.State), &c.File} },
		"SELECT account, uid, state, copy FROM messages WHERE copy <> '' ORDER BY id")
}

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

// Prune forgets messages that have left their server for good: those that it was
// last seen to have before ledger.Account.Forget says. It returns their number. It
// keeps messages that are not forwarded or that have a copy here, accounts whose
// lease is taken, and, where a server hides what was retrieved, all that it was not
// told to delete, for a change of its settings may bring that back.
func (s *Store) Prune(ctx context.Context) (pruned int, err error) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range accounts {
		n, err := s.pruneAccount(ctx, a)
		if pruned += n; err != nil {
			return pruned, err
		}
	}
	return pruned, nil
}

const (
	// toPrune are the rows of an account that can be forgotten.
	toPrune = `SELECT id FROM messages WHERE account = $1 AND missing_since < $2 AND copy = ''
		AND state IN ('forwarded', 'skipped', 'gone') AND (deleted_at IS NOT NULL OR NOT $3)`
	// pruneGroup is how many rows are deleted at once.
	pruneGroup = 1000
)

// pruneAccount prunes under the lease: a poll must not lose a row that it has read.
func (s *Store) pruneAccount(ctx context.Context, a ledger.Account) (pruned int, err error) {
	before := a.Forget(s.Now())
	if before.IsZero() {
		return 0, nil
	}
	args := []any{a.ID, moment(before), a.Server.MayShowAgain()}
	var some bool
	if err := s.scan(ctx, "SELECT EXISTS ("+toPrune+")", args, &some); err != nil || !some {
		return 0, err
	}
	l, err := s.lease(ctx, a.ID)
	if err != nil {
		if errors.Is(err, ledger.ErrLeased) {
			return 0, nil // another time
		}
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	for {
		var n int
		// In groups, so that other accounts need not wait; a row that comes back after
		// a crash is pruned again.
		err := l.write(ctx, &change{async: true, alone: true, queue: func(b *pgx.Batch, _ *counts) {
			b.Queue("DELETE FROM messages WHERE id IN ("+toPrune+" LIMIT $4)", append(args, pruneGroup)...).Exec(func(tag pgconn.CommandTag) error {
				n = int(tag.RowsAffected())
				return nil
			})
		}})
		if pruned += n; err != nil || n < pruneGroup {
			return pruned, err
		}
	}
}

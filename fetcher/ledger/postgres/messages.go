package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

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

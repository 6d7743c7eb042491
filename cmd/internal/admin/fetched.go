package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Fetched is an account of popferry's, and what another program has fetched from
// its mailbox.
type Fetched struct {
	ledger.Identity
	UIDs      []string // a message each
	Spellings []string // other forms of these UIDs, one of which the server may use
}

// MarkFetched writes rows for the messages that a program has fetched, so that
// they are not forwarded, and returns for each account by name how many messages
// had none. Accounts that the ledger does not have are made. The error is an
// *app.ConfigError if it knows another mailbox under one of the names.
func MarkFetched(ctx context.Context, store ledger.Store, program string, accounts []Fetched, w Wait) (map[string]int, error) {
	ids := make([]ledger.Identity, len(accounts))
	for i, a := range accounts {
		ids[i] = a.Identity
	}
	known, err := store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for i, c := range ledger.Claim(known, ids, time.Now()) {
		if c.Moved {
			return nil, &app.ConfigError{Err: fmt.Errorf("the ledger knows another mailbox for %[1]s (%[2]s at %[3]s): choose another name, or run popferry forget %[1]s if you no longer need that one",
				ids[i].Name, before(known, c.ID).Username, before(known, c.ID).Host)}
		}
	}
	rows, err := app.Claim(ctx, store, ids)
	if err != nil {
		return nil, err
	}
	marked := make(map[string]int)
	for i, f := range accounts {
		if len(f.UIDs) == 0 {
			continue
		}
		a := &Account{rows[i], store}
		err := a.WithLease(ctx, w, func(l *Leased) (err error) {
			marked[f.Name], err = l.markFetched(ctx, program, f)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("marking what was fetched from %s: %w", f.Name, err)
		}
	}
	return marked, nil
}

// before is an account as the ledger has it.
func before(known []ledger.Account, id int64) ledger.Account {
	return known[slices.IndexFunc(known, func(a ledger.Account) bool { return a.ID == id })]
}

// markFetched writes the rows of one account, all or none, and returns how many
// messages they are for.
func (l *Leased) markFetched(ctx context.Context, program string, f Fetched) (messages int, err error) {
	known, err := l.lease.Known(ctx)
	if err != nil {
		return 0, err
	}
	have := make(map[string]bool, known.Len())
	for _, k := range known.All() {
		have[k.UID] = true
	}
	var recs []*ledger.Record
	now := ledger.Now(l.store)
	for i, uid := range slices.Concat(f.UIDs, f.Spellings) {
		if have[uid] {
			continue
		}
		have[uid] = true
		recs = append(recs, ledger.Imported(uid, program, now))
		if i < len(f.UIDs) {
			messages++
		}
	}
	return messages, l.lease.Put(ctx, recs...)
}

package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

const (
	// rowsLife and daysLife are how long what was read is good enough: whoever
	// reaches the page may ask for it as often as they like.
	rowsLife = time.Second
	daysLife = 10 * time.Second
)

// ledgerView is the ledger as the status page and the metrics read it.
type ledgerView struct {
	store *sqlite.Store
	cfg   atomic.Pointer[config.Config]
	rows  recent[rows]
	days  recent[[]ledger.Day]
}

// rows are the ledger's accounts by name, what each has in which state, and the
// destinations by name.
type rows struct {
	known        map[string]ledger.Account
	counts       map[int64]map[ledger.State]int
	destinations map[string]ledger.Destination
}

// recent is something that was read a moment ago. One reads, the others wait.
type recent[T any] struct {
	mu    sync.Mutex
	value T
	until time.Time
}

func (r *recent[T]) get(life time.Duration, read func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		return r.value, nil
	}
	v, err := read()
	if err == nil {
		r.value, r.until = v, time.Now().Add(life)
	}
	return v, err
}

// forget has it read anew.
func (r *recent[T]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Time{}
}

func (v *ledgerView) read(ctx context.Context) (rows, error) {
	return v.rows.get(rowsLife, func() (rows, error) { return rowsOf(ctx, v.store) })
}

func (v *ledgerView) configure(cfg *config.Config) { v.cfg.Store(cfg) }

// configured are the accounts of the configuration at work.
func (v *ledgerView) configured() []config.Account {
	if cfg := v.cfg.Load(); cfg != nil {
		return cfg.Accounts
	}
	return nil
}

// Ready implements web.Ledger.
func (v *ledgerView) Ready(ctx context.Context) error { return v.store.Ping(ctx) }

// Accounts implements web.Ledger.
func (v *ledgerView) Accounts(ctx context.Context) ([]web.Account, error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	var list []web.Account
	for _, c := range v.configured() {
		a := r.account(c)
		list = append(list, web.Account{
			ID: a.ID, Name: c.Name, Enabled: c.Enabled,
			LastPoll: a.LastPoll, LastSuccess: a.LastSuccess, NextPoll: nextPoll(a),
			Failures: a.Failures, Cause: a.Cause, OnServer: a.OnServer, Counts: r.counts[a.ID],
			TokenEnds: c.Secret.Ends(),
		})
	}
	return list, nil
}

// Days implements web.Ledger.
func (v *ledgerView) Days(ctx context.Context, since time.Time) ([]ledger.Day, error) {
	return v.days.get(daysLife, func() ([]ledger.Day, error) { return v.store.Days(ctx, since) })
}

// errEnough ends the reading of messages.
var errEnough = errors.New("enough")

// Waiting implements web.Ledger.
func (v *ledgerView) Waiting(ctx context.Context, most int) (list []web.Message, all int, err error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range []ledger.State{ledger.Held, ledger.Unknown, ledger.Deferred} {
		for _, c := range v.configured() {
			n := r.counts[r.known[c.Name].ID][s]
			all += n
			if n == 0 || len(list) >= most { // of ten thousand accounts few have any
				continue
			}
			err := v.store.Messages(ctx, ledger.Filter{Account: c.Name, State: s}, func(account string, m *ledger.Record) error {
				if len(list) >= most {
					return errEnough
				}
				list = append(list, web.Message{Account: account, Record: m})
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) {
				return nil, 0, err
			}
		}
	}
	return list, all, nil
}

// status is `popferry status --json`.
func (v *ledgerView) status(ctx context.Context) (any, error) {
	r, err := v.read(ctx)
	if err != nil {
		return nil, err
	}
	return statusDocument(statusIn(v.configured(), r)), nil
}

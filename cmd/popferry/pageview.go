package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// ledgerView is the ledger as the status page and the metrics read it.
type ledgerView struct {
	store *sqlite.Store
	cfg   atomic.Pointer[config.Config]
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
	known, counts, err := rowsOf(ctx, v.store)
	if err != nil {
		return nil, err
	}
	var list []web.Account
	for _, c := range v.configured() {
		a := known[c.Name]
		list = append(list, web.Account{
			ID: a.ID, Name: c.Name, Enabled: c.Enabled,
			LastPoll: a.LastPoll, LastSuccess: a.LastSuccess, NextPoll: nextPoll(a),
			Failures: a.Failures, Cause: a.Cause, OnServer: a.OnServer, Counts: counts[a.ID],
		})
	}
	return list, nil
}

// Days implements web.Ledger.
func (v *ledgerView) Days(ctx context.Context, since time.Time) ([]ledger.Day, error) {
	return v.store.Days(ctx, since)
}

// errEnough ends the reading of messages.
var errEnough = errors.New("enough")

// Waiting implements web.Ledger.
func (v *ledgerView) Waiting(ctx context.Context, most int) (list []web.Message, all int, err error) {
	known, counts, err := rowsOf(ctx, v.store)
	if err != nil {
		return nil, 0, err
	}
	configured := make(map[string]bool)
	for _, c := range v.configured() {
		configured[c.Name] = true
	}
	for _, s := range []ledger.State{ledger.Held, ledger.Unknown, ledger.Deferred} {
		for name := range configured {
			all += counts[known[name].ID][s]
		}
		err := v.store.Messages(ctx, ledger.Filter{State: s}, func(account string, r *ledger.Record) error {
			if len(list) >= most {
				return errEnough
			}
			if configured[account] {
				list = append(list, web.Message{Account: account, Record: r})
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, 0, err
		}
	}
	return list, all, nil
}

// status is `popferry status --json`.
func (v *ledgerView) status(ctx context.Context) (any, error) {
	list, err := statusIn(ctx, v.configured(), v.store)
	if err != nil {
		return nil, err
	}
	return statusDocument(list), nil
}

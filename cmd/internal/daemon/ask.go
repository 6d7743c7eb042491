package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/printable"
)

// askInterval is how often one who waits looks whether a poll has ended.
const askInterval = time.Second

// requestByLedger asks those that share the ledger for polls, and waits for them if
// each is not nil.
func requestByLedger(ctx context.Context, cfg *config.Config, accounts []string, each func(PollResult) error) (err error) {
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	shared, ok := store.(ledger.Shared)
	if !ok {
		return errors.New("the ledger is not shared") // the configuration has changed since it was asked
	}
	replicas, err := shared.Replicas(ctx)
	if err != nil {
		return err
	}
	alive := func(r ledger.Replica) bool { return shared.Now().Sub(r.Beat) < ledger.Silent }
	if !slices.ContainsFunc(replicas, alive) {
		return &app.TryAgainError{Err: errors.New("no popferry runs on this ledger; start one with popferry run, or poll once with popferry run --once --now")}
	}
	rows, err := store.Accounts(ctx)
	if err != nil {
		return err
	}
	wanted := make(map[int64]time.Time)
	var ids []int64
	for _, a := range rows {
		if enabled(cfg, []string{a.Name}) && (len(accounts) == 0 || slices.Contains(accounts, a.Name)) {
			wanted[a.ID] = shared.Now()
			ids = append(ids, a.ID)
		}
	}
	if len(accounts) > 0 && len(ids) < len(accounts) {
		return &app.TryAgainError{Err: fmt.Errorf("the running popferrys do not poll all of these accounts yet; they have not read %s as it is now: try again in a few seconds", cfg.Path)}
	}
	if err := shared.Request(ctx, ids...); err != nil || each == nil {
		return err
	}
	return await(ctx, shared, wanted, each)
}

// await calls each for every account when its poll has ended.
func await(ctx context.Context, shared ledger.Shared, wanted map[int64]time.Time, each func(PollResult) error) error {
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for len(wanted) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		rows, err := shared.Accounts(ctx)
		if err != nil {
			return err
		}
		for _, a := range rows {
			if at, ok := wanted[a.ID]; !ok || !a.Began.After(at) {
				continue
			}
			delete(wanted, a.ID)
			if err := each(newRowResult(a)); err != nil {
				return err
			}
		}
	}
	return nil
}

// newRowResult is the result of a poll of which only the ledger tells.
func newRowResult(a ledger.Account) PollResult {
	p := PollResult{Summary: fmt.Sprintf("%s: polled, %d on server; popferry status and messages have the rest", a.Name, a.OnServer)}
	if a.Cause.Code != "" {
		c := cause.ByCode(a.Cause.Code)
		p.TryAgain, p.Problem = true, printable.Line(fmt.Sprintf("%s: %s: %s; %s", a.Name, c.What, a.Cause.Text, c.Remedy))
	}
	return p
}

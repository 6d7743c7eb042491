package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/notice"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/forwarder"
)

const (
	// newsGap is how often the daemon looks whether there is something to tell.
	newsGap = time.Minute
	// letterLimit is how long a letter may take.
	letterLimit = time.Minute
)

// news looks for what a person is to be told, until ctx ends.
func (d *daemon) news(ctx context.Context) {
	tick := time.NewTicker(newsGap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.stop.stopping:
			return
		case <-tick.C:
			d.now.Load().app.tellNews(ctx, d.store, d.log)
		}
	}
}

// tellNews sends a letter if there is something to tell. What could not be told
// is told the next time.
func (a *instance) tellNews(ctx context.Context, store *sqlite.Store, log *slog.Logger) {
	if len(a.cfg.Notify.To) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, letterLimit)
	defer cancel()
	now := time.Now().Round(0).Truncate(time.Millisecond) // as the ledger keeps it
	n, told, err := a.findNews(ctx, store, now)
	if err != nil || n.Empty() {
		if err != nil {
			log.Warn("whether there is something to notify of could not be told", "error", err)
		}
		return
	}
	err = a.sendNews(ctx, now, n)
	if err == nil {
		err = store.PutNotices(context.WithoutCancel(ctx), told...)
	}
	if err != nil {
		log.Warn("the notice could not be sent, and is tried again", "error", err)
		return
	}
	log.Info("notice sent", "failing", len(n.Failing), "recovered", len(n.Recovered), "held", len(n.Held))
}

// findNews reads the ledger, and notes what changes without a letter.
func (a *instance) findNews(ctx context.Context, store *sqlite.Store, now time.Time) (n notice.News, told []ledger.Notice, err error) {
	held := make(map[string][]*ledger.Record)
	err = store.Messages(ctx, ledger.Filter{State: ledger.Held}, func(account string, r *ledger.Record) error {
		if !notice.Own(r) {
			held[account] = append(held[account], r)
		}
		return nil
	})
	if err != nil {
		return n, nil, err
	}
	rows, err := store.Accounts(ctx)
	if err != nil {
		return n, nil, err
	}
	before, err := store.Notices(ctx)
	if err != nil {
		return n, nil, err
	}
	var accounts []notice.Account
	for _, r := range rows {
		if _, ok := a.accounts[r.Name]; ok {
			accounts = append(accounts, notice.Account{Account: r, Held: held[r.Name]})
		}
	}
	n, seen, told := notice.Decide(now, a.cfg.Notify.After, accounts, before)
	if len(seen) > 0 {
		err = store.PutNotices(ctx, seen...)
	}
	return n, told, err
}

// sendNews sends the letter by the destination of the account that it is about,
// or, where that is what fails, by another one.
func (a *instance) sendNews(ctx context.Context, now time.Time, n notice.News) error {
	first := a.accounts[n.About().Name].Destination.Name
	var errs []error
	for _, own := range []bool{true, false} {
		for _, d := range a.cfg.Forward {
			if (d.Name == first) != own {
				continue
			}
			err := a.sendLetter(ctx, d, now, n)
			if err == nil {
				return nil
			}
			errs = append(errs, fmt.Errorf("by %s: %w", d.Name, err))
		}
	}
	return errors.Join(errs...)
}

// sendLetter sends the letter from the destination's own sender. That there was
// no whole answer counts as sent: twice is worse here than not at all.
func (a *instance) sendLetter(ctx context.Context, d config.Destination, now time.Time, n notice.News) error {
	from := d.From
	if from == config.SenderOriginal || from == config.SenderNull || from == "" {
		from = a.cfg.Notify.To[0]
	}
	m := notice.Message(now, n, from, a.cfg.Notify.To)
	if d.From == config.SenderNull {
		m.Sender = ""
	}
	outs, err := a.pools[d.Name].Send(ctx, m)
	if err != nil {
		return err
	}
	for _, o := range outs {
		if o.Kind == forwarder.Accepted || o.Kind == forwarder.InDoubt {
			return nil
		}
		err = errors.Join(err, fmt.Errorf("%s: %s: %s", o.Recipient, o.Stage, o.Reply()))
	}
	return err
}

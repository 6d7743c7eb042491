package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/notice"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// noticeTimeout is how long sending a notice may take.
const noticeTimeout = time.Minute

// Notify sends a notice by mail if one is configured and due. What fails is
// logged, and tried again with the next call.
func (a *App) Notify(ctx context.Context, store ledger.Store, log *slog.Logger) {
	if len(a.cfg.Notify.To) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	if err := alone(ctx, store, "notices", func() { a.notify(ctx, store, log) }); err != nil {
		log.Warn("cannot determine whether a notice is due", "error", err)
	}
}

func (a *App) notify(ctx context.Context, store ledger.Store, log *slog.Logger) {
	now := a.now().Round(0).Truncate(time.Millisecond) // as the ledger keeps it
	n, told, err := a.findNews(ctx, store, now)
	if err != nil {
		log.Warn("cannot determine whether a notice is due", "error", err)
		return
	}
	ending, err := a.endingSignIns(ctx, store, now)
	if err != nil {
		log.Warn("cannot determine which sign-ins end", "error", err)
	}
	for _, s := range ending {
		n.Ending = append(n.Ending, notice.Ending{Name: s.Name, User: s.User, Until: s.Until})
	}
	if n.Empty() {
		return
	}
	err = a.sendNotice(ctx, now, n)
	if err == nil {
		err = store.PutNotices(context.WithoutCancel(ctx), told...)
	}
	for _, s := range ending {
		if err == nil {
			err = new(oauth.Tokens).Told(ctx, TokenStore{store}, s.key)
		}
	}
	if err != nil {
		log.Warn("the notice could not be sent; popferry will try again", "error", err)
		return
	}
	log.Info("notice sent", "failing", len(n.Failing), "recovered", len(n.Recovered), "held", len(n.Held), "late", len(n.Late), "ending", len(n.Ending))
}

// endingSignIns are the sign-ins that end soon and of which the user does not know
// yet, each once.
func (a *App) endingSignIns(ctx context.Context, store ledger.Store, now time.Time) (ending []SignIn, err error) {
	all, err := LookSignIns(ctx, store, a.cfg)
	for _, s := range all {
		if s.EndsSoon(now) && !s.told && !slices.ContainsFunc(ending, func(e SignIn) bool { return e.key == s.key }) {
			ending = append(ending, s)
		}
	}
	return ending, err
}

// findNews compares the ledger with what was told before. It stores what changes
// without a notice, and returns the rows to store once the notice is sent.
func (a *App) findNews(ctx context.Context, store ledger.Store, now time.Time) (n notice.News, told []ledger.Notice, err error) {
	held, err := waiting(ctx, store, ledger.Held, func(*ledger.Record) bool { return true })
	if err != nil {
		return n, nil, err
	}
	late, err := waiting(ctx, store, ledger.Deferred, func(r *ledger.Record) bool { return outcome.Late(r, now) })
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
		if a.Polls(r.Name) {
			accounts = append(accounts, notice.Account{Account: r, Held: held[r.Name], Late: late[r.Name]})
		}
	}
	n, seen, told := notice.Decide(now, a.cfg.Notify.After, accounts, before)
	if len(seen) > 0 {
		err = store.PutNotices(ctx, seen...)
	}
	return n, told, err
}

// waiting returns the messages in a state that a notice may be about, by the name of
// their account.
func waiting(ctx context.Context, store ledger.Store, state ledger.State, about func(*ledger.Record) bool) (map[string][]*ledger.Record, error) {
	found := make(map[string][]*ledger.Record)
	err := store.Messages(ctx, ledger.Filter{State: state}, func(account string, r *ledger.Record) error {
		if !notice.Own(r) && about(r) {
			found[account] = append(found[account], r)
		}
		return nil
	})
	return found, err
}

// sendNotice sends a notice by the destination that the configuration names for it, or
// by that of the account that it is about. If that fails, which may be the news, it
// tries the other destinations.
func (a *App) sendNotice(ctx context.Context, now time.Time, n notice.News) error {
	first := cmp.Or(a.cfg.Notify.Forward, a.accounts[n.About().Name].Destination.Name)
	var errs []error
	for _, own := range []bool{true, false} {
		for _, d := range a.cfg.Forward {
			if (d.Name == first) != own {
				continue
			}
			err := a.sendNoticeVia(ctx, d, now, n)
			if err == nil {
				return nil
			}
			errs = append(errs, fmt.Errorf("via %s: %w", d.Name, err))
		}
	}
	return errors.Join(errs...)
}

// sendNoticeVia sends a notice from the destination's own sender, or puts it into
// the destination's folder. An outcome in
// doubt counts as sent: a notice that arrives twice is worse than none.
func (a *App) sendNoticeVia(ctx context.Context, d config.Destination, now time.Time, n notice.News) error {
	from := d.From
	if from == config.SenderOriginal || from == config.SenderNull || from == "" {
		from = a.cfg.Notify.To[0]
	}
	if d.Stores() {
		from = OwnAddress(d)
	}
	m := notice.Message(now, n, from, a.cfg.Notify.To)
	switch {
	case d.Stores():
		m.Recipients, m.Folder, m.Date = []string{d.Folder}, d.Folder, now
	case d.From == config.SenderNull:
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

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// pageWait is how long a button waits for the end of a poll.
const pageWait = 5 * time.Second

// pageDesk does what the page's buttons say, as the commands do it.
type pageDesk struct {
	front *front
	store *sqlite.Store
}

var (
	errNotNow    = errors.New("popferry has no configuration that it can use; its log tells why")
	errNotPolled = errors.New("a new configuration has come, by which this account is not polled")
)

// Retry implements web.Actions.
func (d *pageDesk) Retry(ctx context.Context, account, uid string) error {
	if err := d.change(ctx, account, uid, admin.Retry()); err != nil {
		return err
	}
	return d.Poll(account)
}

// Skip implements web.Actions.
func (d *pageDesk) Skip(ctx context.Context, account, uid string) error {
	return d.change(ctx, account, uid, admin.Skip())
}

// Poll implements web.Actions.
func (d *pageDesk) Poll(account string) (err error) {
	if account == "" {
		_, _, err = d.front.ask()
		return err
	}
	_, _, err = d.front.ask(account)
	return err
}

// change changes the messages under a UID.
func (d *pageDesk) change(ctx context.Context, account, uid string, change admin.StateChange) error {
	if _, cfg := d.front.current(); cfg == nil {
		return errNotNow
	}
	a, err := admin.Open(ctx, d.store, account)
	if err != nil {
		return err
	}
	defer d.front.view.rows.forget()
	err = a.WithLease(ctx, admin.Wait{Limit: pageWait}, func(l *admin.Leased) error {
		_, err := l.Change(ctx, change, admin.Selection{UIDs: []string{uid}})
		return err
	})
	if errors.Is(err, ledger.ErrLeased) {
		return fmt.Errorf("%s is being polled; try again when that has ended", account)
	}
	return err
}

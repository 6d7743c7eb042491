package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

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
	if err := d.settle(ctx, account, uid, retrying()); err != nil {
		return err
	}
	return d.Poll(account)
}

// Skip implements web.Actions.
func (d *pageDesk) Skip(ctx context.Context, account, uid string) error {
	return d.settle(ctx, account, uid, skipping())
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

// settle changes the messages under a UID.
func (d *pageDesk) settle(ctx context.Context, account, uid string, s settlement) error {
	_, cfg := d.front.current()
	if cfg == nil {
		return errNotNow
	}
	row, err := findAccount(ctx, d.store, account)
	if err != nil {
		return err
	}
	at := &desk{program: &program{stdout: io.Discard, stderr: io.Discard}, cfg: cfg, store: d.store, account: row}
	defer d.front.view.rows.forget()
	err = at.underLease(ctx, pageWait, func() error { return at.settle(ctx, s, selection{uids: []string{uid}}) })
	if errors.Is(err, ledger.ErrLeased) {
		return fmt.Errorf("%s is being polled; try again when that has ended", account)
	}
	return err
}

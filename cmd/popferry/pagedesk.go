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

var errNotNow = errors.New("popferry has no configuration that it can use; its log tells why")

// Retry implements web.Desk.
func (d *pageDesk) Retry(ctx context.Context, account, uid string) error {
	if err := d.settle(ctx, account, uid, retrying()); err != nil {
		return err
	}
	return d.Poll(account)
}

// Skip implements web.Desk.
func (d *pageDesk) Skip(ctx context.Context, account, uid string) error {
	return d.settle(ctx, account, uid, skipping())
}

// Poll implements web.Desk. A person asks: back-offs do not count. That holds
// for a service that is being replaced, too: the next one polls every account
// at its start, and knows what was asked for.
func (d *pageDesk) Poll(account string) error {
	s, _ := d.front.current()
	if s == nil {
		return errNotNow
	}
	if _, ok := s.app.accounts[account]; !ok && account != "" {
		return fmt.Errorf("there is no account %q that is polled", account)
	}
	if account != "" {
		d.front.asked.Store(account, true)
		s.sched.Queue(account)
		return nil
	}
	for name := range s.app.accounts {
		d.front.asked.Store(name, true)
	}
	s.sched.Queue()
	return nil
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

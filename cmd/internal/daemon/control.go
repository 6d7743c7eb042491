package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher/ledger"
)

// control is what the page can do with the daemon: it does as the commands do.
// It implements web.Actions.
type control struct{ *daemon }

// actionPatience is how long a button waits for a running poll to end.
const actionPatience = 5 * time.Second

// Retry implements web.Actions.
func (c control) Retry(ctx context.Context, account, uid string) error {
	if err := c.change(ctx, account, uid, admin.Retry()); err != nil {
		return err
	}
	return c.Poll(account)
}

// Skip implements web.Actions.
func (c control) Skip(ctx context.Context, account, uid string) error {
	return c.change(ctx, account, uid, admin.Skip())
}

// Poll implements web.Actions.
func (c control) Poll(account string) error {
	var accounts []string
	if account != "" {
		accounts = append(accounts, account)
	}
	_, _, err := c.requestPolls(accounts...)
	return err
}

// change changes the messages under a UID.
func (c control) change(ctx context.Context, account, uid string, change admin.StateChange) error {
	a, err := admin.Open(ctx, c.Store, account)
	if err != nil {
		return err
	}
	defer c.view.Forget()
	err = a.WithLease(ctx, admin.Wait{Limit: actionPatience}, func(l *admin.Leased) error {
		_, err := l.Change(ctx, change, admin.Selection{UIDs: []string{uid}})
		return err
	})
	if errors.Is(err, ledger.ErrLeased) {
		return fmt.Errorf("%s is being polled; try again when that has ended", account)
	}
	return err
}

// alive returns an error if accounts are not polled when they are due. A
// generation that is being stopped is alive: a health check must not end the
// process before that has finished.
func (c control) alive() error {
	g := c.running()
	if g == nil {
		return errors.New("no configuration is at work")
	}
	if g.stopped() {
		return nil
	}
	return g.sched.Check()
}

// health is how the daemon is: whether accounts are polled when they are due, and
// whether the ledger can be read.
func (d *daemon) health() health {
	h := health{Since: d.began, Process: os.Getpid(), Config: d.Options.Config.AbsPath()}
	h.Host, _ = os.Hostname()
	ctx, cancel := context.WithTimeout(d.stop.Context, exchangeTimeout/2)
	defer cancel()
	if err := errors.Join(control{d}.alive(), d.Store.Ping(ctx)); err != nil {
		h.Problem = err.Error()
	}
	return h
}

// password returns the password of the page, "" if none is configured.
func (c control) password(ctx context.Context) (string, error) {
	cfg := c.config()
	if cfg == nil {
		return "", nil
	}
	return cfg.Web.LoginPassword(ctx)
}

// access returns what the configuration says about the page's names and proxies.
func (c control) access() web.Access {
	cfg := c.config()
	if cfg == nil {
		return web.Access{}
	}
	return web.Access{Hosts: cfg.Web.Hosts, TrustedProxies: cfg.Web.TrustedProxies}
}

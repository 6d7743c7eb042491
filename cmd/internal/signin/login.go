package signin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher/ledger"
)

// Options are what Login and Logout work with.
type Options struct {
	Config    *config.Config
	Ledger    ledger.Store
	Resources app.Resources
	FrontEnd  FrontEnd
	Flow      Flow
	Remote    bool // there is probably no browser on this machine
}

// Login has the user sign in to a target, writes that to the ledger, and tries the
// mailbox. ok is false if the mailbox could not be logged in to, which the user has
// read then. An error is about the sign-in, and nothing was changed.
func Login(ctx context.Context, o Options, t Target) (ok bool, err error) {
	c := app.NewSignIns(o.Config).Client(t.Server)
	s, err := Ask(ctx, o.FrontEnd, c, o.Flow, o.Remote)
	if err != nil {
		return false, explain(ctx, t.Name, err)
	}
	if err := o.Resources.Tokens.Keep(ctx, app.TokenStore{Store: o.Ledger}, c, s); err != nil {
		return false, cause.Explain("state", err)
	}
	o.FrontEnd.OK("signed in as %s", c.User)
	Warn(o.FrontEnd, s)
	o.FrontEnd.Say("Trying %s ...", t.Server.Host)
	err = t.try(ctx, o.Resources, func(st probe.Step) {
		remedy := ""
		if st.Err != nil {
			remedy = check.LoginAdvice(t.Server, cause.Of(st.Err))
		}
		o.FrontEnd.Step(check.NewStep(st, remedy))
	})
	if err != nil {
		return false, nil //nolint:nilerr // the user has read the step that failed
	}
	return true, t.endBackOff(ctx, o.Ledger)
}

// explain adds to a failed sign-in what can be done; not if the user has left.
func explain(ctx context.Context, name string, err error) error {
	if _, ok := errors.AsType[*oauth.Error](err); ok && ctx.Err() == nil {
		return cause.Explain(name, err)
	}
	return err
}

// Warn says when a sign-in ends, if that is soon or known.
func Warn(front FrontEnd, s oauth.SignIn) {
	if !s.Renews() {
		front.Say("  ! The provider gave no refresh token, so that this sign-in cannot be renewed and soon ends. Many want the scope offline_access for one.")
	}
	if until := s.Until(); !until.IsZero() {
		front.Say("  ! The provider ends this sign-in on %s. popferry says so before it does.", until.Local().Format("2006-01-02 15:04"))
	}
}

// endBackOff has the next poll of an account come at its usual time. An account that
// is being polled, or never was, has no need of it.
func (t Target) endBackOff(ctx context.Context, store ledger.Store) error {
	if t.account == nil {
		return nil // a destination's ends by itself: the sign-in is another one
	}
	a, err := admin.Open(ctx, store, t.Name)
	if err != nil {
		return nil //nolint:nilerr // it was never polled
	}
	const patience = 2 * time.Second
	err = a.WithLease(ctx, admin.Wait{Limit: patience}, func(l *admin.Leased) error { return l.EndBackOff(ctx) })
	if errors.Is(err, ledger.ErrLeased) {
		err = nil
	}
	return err
}

// Logout removes a sign-in from the ledger, and says who shares it.
func Logout(ctx context.Context, o Options, t Target) error {
	c := app.NewSignIns(o.Config).Client(t.Server)
	if err := o.Resources.Tokens.Forget(ctx, app.TokenStore{Store: o.Ledger}, c); err != nil {
		return cause.Explain("state", err)
	}
	o.FrontEnd.OK("signed out: popferry has no token of %s any more", c.User)
	if names := t.Sharing(o.Config); len(names) > 1 {
		o.FrontEnd.Say("This sign-in was that of %s.", strings.Join(names, ", "))
	}
	o.FrontEnd.Say("The provider still knows it. To end it there as well, remove popferry's access in the settings of your account.")
	return nil
}

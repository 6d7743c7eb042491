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

// ErrStopped: the user has left before anything was changed.
var ErrStopped = errors.New("stopped; nothing was changed")

// errStoppedTrial: the user has left once the sign-in was in the ledger.
var errStoppedTrial = errors.New("stopped; you are signed in, and the mailbox was not tried")

// Login has the user sign in to a target, writes that to the ledger, and tries the
// mailbox. ok is false if the mailbox could not be logged in to, which the user has
// read then. An error is about the sign-in, and nothing was changed, unless the user
// has left during the trial.
func Login(ctx context.Context, o Options, t Target) (ok bool, err error) {
	c := app.NewSignIns(o.Config).Client(t.Server)
	s, err := Ask(ctx, o.FrontEnd, c, o.Flow, o.Remote)
	if err != nil {
		return false, explain(ctx, t.Name, err)
	}
	if err := o.Resources.Tokens.Keep(ctx, app.TokenStore{Store: o.Ledger}, c, s); err != nil {
		return false, explain(ctx, "state", err)
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
	switch {
	case err != nil && ctx.Err() != nil:
		return false, errStoppedTrial
	case err != nil:
		return false, nil //nolint:nilerr // the user has read the step that failed
	}
	return true, t.endBackOff(ctx, o.Ledger)
}

// explain adds to an error what can be done, unless the user has left.
func explain(ctx context.Context, who string, err error) error {
	if ctx.Err() != nil {
		return ErrStopped
	}
	if _, ofSignIn := errors.AsType[*oauth.Error](err); ofSignIn || ledger.Failed(err) {
		return cause.Explain(who, err)
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

// Logout removes a sign-in from the ledger, and then has the provider end it: so no
// token is left here, also if that fails. It says who shared the sign-in.
func Logout(ctx context.Context, o Options, t Target) error {
	c := app.NewSignIns(o.Config).Client(t.Server)
	was, err := o.Resources.Tokens.Forget(ctx, app.TokenStore{Store: o.Ledger}, c)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		o.FrontEnd.OK("nobody was signed in as %s", c.User)
		return nil
	case err != nil:
		return explain(ctx, "state", err)
	}
	o.FrontEnd.OK("signed out: popferry has no token of %s any more", c.User)
	if names := t.Sharing(o.Config); len(names) > 1 {
		o.FrontEnd.Say("This sign-in was that of %s.", strings.Join(names, ", "))
	}
	told, err := c.Revoke(ctx, was)
	switch {
	case told:
		o.FrontEnd.OK("the provider has ended the sign-in")
		return nil
	case err != nil:
		o.FrontEnd.Say("  ! The provider still knows it, for it could not be told: %v.", err)
	default:
		o.FrontEnd.Say("The provider still knows it: popferry has no address at which to end it.")
	}
	o.FrontEnd.Say("To end it there as well, remove popferry's access in the settings of your account.")
	return nil
}

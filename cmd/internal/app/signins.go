package app

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/ledger"
)

// SignIn is the sign-in of an account or destination with OAuth2, as it is.
type SignIn struct {
	Name   string // of the account or destination
	User   string
	Signed time.Time // zero: nobody has signed in
	Until  time.Time // when the provider ends it; zero: it does not say
	Err    error     // why it cannot be used: an *oauth.Error; nil: it can

	key  ledger.TokenKey
	told bool // the user was notified of Until
}

// soon is how long before its end a sign-in is worth a word.
const soon = 3 * 24 * time.Hour

// EndsSoon reports whether a sign-in that can be used has to be repeated in the next
// three days.
func (s SignIn) EndsSoon(now time.Time) bool {
	return s.Err == nil && !s.Until.IsZero() && s.Until.Sub(now) < soon
}

// LookSignIns returns the sign-ins of the enabled accounts and of the destinations
// of a configuration, in their order. It asks no provider. Without a ledger nobody
// has signed in.
func LookSignIns(ctx context.Context, store ledger.Store, cfg *config.Config) (list []SignIn, err error) {
	all := NewSignIns(cfg)
	look := func(name string, s config.Server) {
		if s.OAuth2 == nil || err != nil {
			return
		}
		var found SignIn
		if found, err = all.Look(ctx, store, s); err == nil {
			found.Name = name
			list = append(list, found)
		}
	}
	for _, a := range cfg.Accounts {
		if a.Enabled {
			look(a.Name, a.Server)
		}
	}
	for _, d := range cfg.Forward {
		look(d.Name, d.Server)
	}
	return list, err
}

// Look returns the sign-in of a server, whose OAuth2 is set. The error is that of
// the ledger.
func (n SignIns) Look(ctx context.Context, store ledger.Store, s config.Server) (SignIn, error) {
	if store == nil {
		return SignIn{User: s.Username, Err: &oauth.Error{Reason: oauth.Needed, Text: "there is no ledger yet"}}, nil
	}
	row, err := new(oauth.Tokens).Look(ctx, TokenStore{store}, n.Client(s))
	found := SignIn{User: s.Username, Signed: row.Signed, Until: row.Until, Err: err, key: row.TokenKey, told: !row.Told.IsZero()}
	if _, ok := errors.AsType[*oauth.Error](err); !ok {
		return found, err
	}
	return found, nil
}

package app

import (
	"context"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/ledger"
)

// TokenStore is a ledger as package oauth wants it.
type TokenStore struct{ ledger.Store }

// LeaseToken implements oauth.Store.
func (s TokenStore) LeaseToken(ctx context.Context, key ledger.TokenKey) (oauth.Lease, error) {
	l, err := s.Store.LeaseToken(ctx, key)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// SignIns are what popferry needs of the providers of a configuration: one sign-in
// serves all servers with the same provider, client and user, so that it is for
// what all of them need.
type SignIns struct {
	scopes map[ledger.TokenKey][]string
}

// NewSignIns returns those of a configuration.
func NewSignIns(cfg *config.Config) SignIns {
	scopes := make(map[ledger.TokenKey][]string)
	for _, s := range servers(cfg) {
		if s.OAuth2 != nil {
			key := OAuthClient(s).Key()
			scopes[key] = append(scopes[key], s.OAuth2.Scopes...)
		}
	}
	return SignIns{scopes}
}

// Client is popferry at the provider of a server, whose OAuth2 is set.
func (n SignIns) Client(s config.Server) oauth.Client {
	c := OAuthClient(s)
	c.Scopes = n.scopes[c.Key()]
	return c
}

// OAuthClient is popferry at the provider of a server, whose OAuth2 is set, for what
// this server alone needs.
func OAuthClient(s config.Server) oauth.Client {
	o := s.OAuth2
	c := oauth.Client{
		ID: o.ClientID, User: s.Username, Scopes: o.Scopes,
		Endpoints: oauth.Endpoints{Auth: o.AuthURL, Token: o.TokenURL, Device: o.DeviceURL},
	}
	if o.TokenURL == "" {
		c.Issuer = o.Provider
	}
	if preset, known := oauth.Preset(o.Provider, o.Tenant); known && preset.Token == o.TokenURL { // no token goes elsewhere
		c.Endpoints.Revoke = preset.Revoke
	}
	if !o.ClientSecret.IsZero() {
		c.Secret = o.ClientSecret.Get
	}
	return c
}

// servers are those of the accounts and destinations.
func servers(cfg *config.Config) (list []config.Server) {
	for _, a := range cfg.Accounts {
		list = append(list, a.Server)
	}
	for _, d := range cfg.Forward {
		list = append(list, d.Server)
	}
	return list
}

// useTokens has the access tokens of a configuration come from this ledger.
func useTokens(cfg *config.Config, store ledger.Store, t *oauth.Tokens) {
	if t.Now == nil {
		t.Now = func() time.Time { return ledger.Now(store) }
	}
	cfg.UseTokens(&tokenSource{NewSignIns(cfg), TokenStore{store}, t})
}

// tokenSource implements config.TokenSource.
type tokenSource struct {
	SignIns
	store  TokenStore
	tokens *oauth.Tokens
}

// Token implements config.TokenSource.
func (t *tokenSource) Token(ctx context.Context, s config.Server) (string, error) {
	return t.tokens.Get(ctx, t.store, t.Client(s))
}

// endsTimeout bounds how long a page or scrape waits for the ledger.
const endsTimeout = 5 * time.Second

// Ends implements config.TokenSource.
func (t *tokenSource) Ends(s config.Server) time.Time {
	ctx, cancel := context.WithTimeout(context.Background(), endsTimeout)
	defer cancel()
	row, err := t.store.Token(ctx, t.Client(s).Key())
	if err != nil {
		return time.Time{}
	}
	return row.Ends
}

// signInMark stands for the sign-in that a server is logged in to with: it is
// another text once somebody has signed in again. Access tokens change by
// themselves, which says nothing.
func signInMark(store ledger.Store, s config.Server) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		row, err := store.Token(ctx, OAuthClient(s).Key())
		if err != nil {
			return "", err
		}
		return strings.Join([]string{row.Client, row.User, row.Signed.Format(time.RFC3339Nano)}, " "), nil
	}
}

package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
)

// TestRevoke: the provider ends a sign-in that was forgotten, whether or not the client
// has a secret. A provider that is away, or refuses, changes nothing: no token is left
// in the ledger.
func TestRevoke(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		secret string
		away   bool
		issuer bool
		told   bool
		want   oauth.Reason // of the error, unless told
	}{
		"an issuer":            {issuer: true, told: true},
		"with a secret":        {issuer: true, secret: oauthtest.Secret, told: true},
		"another secret":       {issuer: true, secret: "another", want: oauth.ClientUnknown},
		"away":                 {issuer: true, away: true, want: oauth.Unreachable},
		"no address is known":  {},
		"away, and no address": {away: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := oauthtest.New(t, oauthtest.Options{Secret: tt.secret != ""})
			s, tokens, c := newStore(t), new(oauth.Tokens), client(p)
			if tt.issuer {
				c.Issuer, c.Endpoints = p.URL, oauth.Endpoints{}
			}
			secret := oauthtest.Secret
			c.Secret = func(context.Context) (string, error) { return secret, nil }
			keep(t, tokens, s, c)
			access := wantToken(t, tokens, s, c, p)
			if secret = tt.secret; tt.secret == "" {
				c.Secret = nil
			}
			if tt.away {
				p.Config.SetKeepAlivesEnabled(false)
				p.Close()
			}
			was, err := tokens.Forget(t.Context(), s, c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Token(t.Context(), c.Key()); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("in the ledger: %v, want ErrNotFound", err)
			}
			told, err := c.Revoke(t.Context(), was)
			if told != tt.told || (err != nil) != (tt.issuer && !tt.told) {
				t.Errorf("told: %v (%v), want %v", told, err, tt.told)
			}
			if err != nil {
				wantReason(t, err, tt.want, p)
			}
			if _, valid := p.User(access); valid == told {
				t.Errorf("the access token is valid: %v, though the provider was told: %v", valid, told)
			}
			wantNoSecret(t, fmt.Sprintf("%v %+v", was, was), p)
		})
	}
}

package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/oauth"
)

// oauth2Config has one of each way to sign in.
const oauth2Config = `
defaults: {oauth2: {provider: microsoft, client_id: shared}}
accounts:
  - {name: work, provider: microsoft365, username: leo@example.com}
  - {name: home, provider: outlook, username: leo@outlook.com, oauth2: {provider: microsoft, tenant: consumers, client_id: own}}
  - {name: urls, host: pop.example.net, username: leo, oauth2: {provider: microsoft, client_id: x, token_url: "http://127.0.0.1:1/token", scopes: [mail, more]}}
  - {name: issuer, host: pop.example.net, username: eve, oauth2: {provider: "https://login.example.net/realm", client_id: x, client_secret_file: client.secret}}
  - {name: password, host: pop.example.net, username: ada, password: hunter2}
forward:
  - {name: gmail, protocol: imap, provider: gmail, username: leo@gmail.com, oauth2: {provider: google, client_id: x}}
`

func loadOAuth2(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"popferry.yaml": oauth2Config, "client.secret": "client-hunter2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, filepath.Join(dir, "popferry.yaml"), nil)
}

// TestOAuth2: presets are filled in by provider and protocol; an account's own
// oauth2 or password replaces the shared one as a whole.
func TestOAuth2(t *testing.T) {
	t.Parallel()
	c := loadOAuth2(t)
	equal(t, "warnings", c.Warnings, []string{})
	pop := []string{"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"}
	for i, want := range []*config.OAuth2{
		{Provider: "microsoft", ClientID: "shared", Scopes: pop, AuthURL: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			TokenURL: "https://login.microsoftonline.com/common/oauth2/v2.0/token", DeviceURL: "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"},
		{Provider: "microsoft", ClientID: "own", Tenant: "consumers", Scopes: pop, AuthURL: "https://login.microsoftonline.com/consumers/oauth2/v2.0/authorize",
			TokenURL: "https://login.microsoftonline.com/consumers/oauth2/v2.0/token", DeviceURL: "https://login.microsoftonline.com/consumers/oauth2/v2.0/devicecode"},
		{Provider: "microsoft", ClientID: "x", Scopes: []string{"mail", "more"}, AuthURL: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			TokenURL: "http://127.0.0.1:1/token", DeviceURL: "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"},
		{Provider: "https://login.example.net/realm", ClientID: "x"},
		nil,
	} {
		a := c.Accounts[i]
		got := a.OAuth2
		if got != nil && !got.ClientSecret.IsZero() {
			secret, err := got.ClientSecret.Get(t.Context())
			equal(t, "the client's secret", secret, "client-hunter2")
			equal(t, "its error", err, nil)
			bare := *got
			bare.ClientSecret = config.Secret{}
			got = &bare
		}
		equal(t, a.Name, got, want)
		equal(t, a.Name+" has a token", a.Token, want != nil)
	}
	equal(t, "scopes for IMAP", c.Forward[0].OAuth2.Scopes, []string{"https://mail.google.com/"})
}

// source has a token for each server.
type source struct{ ends time.Time }

func (source) Token(_ context.Context, s config.Server) (string, error) {
	return fmt.Sprintf("token of %s at %s", s.Username, s.OAuth2.ClientID), nil
}

func (s source) Ends(config.Server) time.Time { return s.ends }

// TestUseTokens: tokens come from the source of the configuration, whenever that is
// set, and before that the error says that nobody has signed in.
func TestUseTokens(t *testing.T) {
	t.Parallel()
	c := loadOAuth2(t)
	accounts := slices.Clone(c.Accounts) // whoever has a copy has the same secret
	if _, err := accounts[0].Secret.Get(t.Context()); !errors.Is(err, &oauth.Error{Reason: oauth.Needed}) {
		t.Errorf("without a ledger: %v", err)
	}
	equal(t, "an end that is not known", accounts[0].Secret.Ends(), time.Time{})
	ends := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c.UseTokens(source{ends})
	got, err := accounts[1].Secret.Get(t.Context())
	equal(t, "the token", got, "token of leo@outlook.com at own")
	equal(t, "its error", err, nil)
	equal(t, "its end", accounts[1].Secret.Ends(), ends)
	got, err = accounts[4].Secret.Get(t.Context())
	equal(t, "a password", got, "hunter2")
	equal(t, "its error", err, nil)
}

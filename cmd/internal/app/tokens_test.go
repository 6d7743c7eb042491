package app

import (
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestWhereASignInIsEnded: at the provider of the preset, and not where its addresses
// were replaced: a token goes nowhere else.
func TestWhereASignInIsEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		oauth2 config.OAuth2
		want   string
	}{
		"Google":           {config.OAuth2{Provider: "google"}, "https://oauth2.googleapis.com/revoke"},
		"another address":  {config.OAuth2{Provider: "google", TokenURL: "https://login.example.net/token"}, ""},
		"Microsoft":        {config.OAuth2{Provider: "microsoft"}, ""},
		"another provider": {config.OAuth2{TokenURL: "https://login.example.net/token"}, ""},
	} {
		tt.oauth2.Complete("imap")
		if got := OAuthClient(config.Server{OAuth2: &tt.oauth2}).Endpoints.Revoke; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

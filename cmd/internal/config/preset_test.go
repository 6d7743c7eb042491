package config_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestProviders: an account's own keys win, and its provider fills in the rest. A
// known host only fills in what depends on the server.
func TestProviders(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/providers.yaml", nil)
	type taken struct {
		provider, host string
		port           int
		tls, auth      string
		interval       time.Duration
		hides          bool
	}
	const quarter = 15 * time.Minute
	want := map[string]taken{
		"all from it":           {"gmail", "pop.gmail.com", 995, config.TLSImplicit, "auto", 0, true},
		"capitals":              {"web.de", "pop3.web.de", 995, config.TLSImplicit, "auto", quarter, false},
		"other kind of TLS":     {"web.de", "pop3.web.de", 110, config.TLSStart, "auto", quarter, false},
		"no TLS":                {"web.de", "pop3.web.de", 110, config.TLSNone, "auto", quarter, false},
		"own host":              {"web.de", "pop.example.org", 995, config.TLSImplicit, "auto", quarter, false},
		"host of another":       {"web.de", "pop.gmail.com", 995, config.TLSImplicit, "auto", quarter, true},
		"own interval":          {"web.de", "pop3.web.de", 995, config.TLSImplicit, "auto", 0, false},
		"tokens":                {"outlook", "outlook.office365.com", 995, config.TLSImplicit, "xoauth2", 0, false},
		"own auth":              {"outlook", "outlook.office365.com", 995, config.TLSImplicit, "plain", 0, false},
		"host of one":           {"", "POP.GMAIL.COM", 995, config.TLSImplicit, "auto", 0, true},
		"host with an interval": {"", "pop3.web.de", 995, config.TLSImplicit, "auto", quarter, false},
		"nobody's":              {"", "pop.example.net", 1995, config.TLSImplicit, "auto", 0, false},
	}
	equal(t, "number of accounts", len(c.Accounts), len(want))
	for _, a := range c.Accounts {
		equal(t, a.Name, taken{a.Provider, a.Host, a.Port, a.TLS.Mode, a.Auth, a.MinInterval, a.RETRHides}, want[a.Name])
	}
}

// TestPasswordForTokenOnlyHost: where only the host is known, it is a warning.
func TestPasswordForTokenOnlyHost(t *testing.T) {
	t.Parallel()
	path := write(t, 0o600, `
accounts:
  - {name: password, host: outlook.office365.com, username: leo@outlook.com, password: hunter2}
  - {name: token, host: outlook.office365.com, username: mia@outlook.com, token_command: helper}
  - {name: own auth, host: outlook.office365.com, username: ada@outlook.com, password: hunter2, auth: plain}
forward:
  - {host: smtp.example.org, to: [leo@example.org]}
`)
	c := load(t, path, nil)
	equal(t, "warnings", c.Warnings, []string{
		path + ":3: accounts[password].host: the server accepts only OAuth2 access tokens, not passwords; set token_command",
	})
}

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
		path + ":3: accounts[password].host: the server accepts only OAuth2 access tokens, not passwords; set oauth2 (popferry help oauth2), or token_command",
	})
}

// TestProvidersOfDestinations: a provider fills in the server for the protocol of a
// destination, whose own keys win.
func TestProvidersOfDestinations(t *testing.T) {
	t.Parallel()
	path := write(t, 0o600, `
accounts:
  - {host: pop.example.net, username: ada, password: hunter2}
forward:
  - {name: IMAP, protocol: imap, provider: gmail, username: leo, password: hunter2}
  - {name: IMAP with STARTTLS, protocol: imap, provider: GMX, tls: starttls, username: leo, password: hunter2}
  - {name: tokens, protocol: imap, provider: outlook, username: leo, token_command: helper}
  - {name: own auth, protocol: imap, provider: outlook, username: leo, password: hunter2, auth: plain}
  - {name: own host, protocol: imap, provider: gmail, host: imap.example.org, username: leo, password: hunter2}
  - {name: bridge, protocol: imap, provider: proton, username: leo, password: hunter2}
  - {name: SMTP, provider: posteo, to: [leo@posteo.de]}
  - {name: port, provider: posteo, port: 587, to: [leo@posteo.de]}
`)
	c := load(t, path, nil)
	type taken struct{ name, endpoint, tls, auth string }
	var got []taken
	for _, d := range c.Forward {
		got = append(got, taken{d.Name, d.Endpoint(), d.TLS.Mode, d.Auth})
	}
	equal(t, "destinations", got, []taken{
		{"IMAP", "imap imap.gmail.com:993", config.TLSImplicit, "auto"},
		{"IMAP with STARTTLS", "imap imap.gmx.net:143", config.TLSStart, "auto"},
		{"tokens", "imap outlook.office365.com:993", config.TLSImplicit, "xoauth2"},
		{"own auth", "imap outlook.office365.com:993", config.TLSImplicit, "plain"},
		{"own host", "imap imap.example.org:993", config.TLSImplicit, "auto"},
		{"bridge", "imap 127.0.0.1:1143", config.TLSStart, "auto"},
		{"SMTP", "smtp posteo.de:465", config.TLSImplicit, "auto"},
		{"port", "smtp posteo.de:587", config.TLSStart, "auto"},
	})
	equal(t, "warnings", c.Warnings, []string{})
}

// TestSubmissionThatDamagesMail: who submits to a server that rewrites or refuses
// mail from others is told before the first message.
func TestSubmissionThatDamagesMail(t *testing.T) {
	t.Parallel()
	path := write(t, 0o600, `
accounts:
  - {host: pop.example.net, username: ada, password: hunter2}
forward:
  - {name: rewrites, host: smtp.gmail.com, username: leo, password: hunter2, to: [leo@gmail.com]}
  - {name: by name, provider: yahoo, username: leo, password: hunter2, to: [leo@yahoo.com]}
  - {name: tokens, host: smtp-mail.outlook.com, username: leo, password: hunter2, auth: plain, to: [leo@outlook.com]}
  - {name: wrapped, host: smtp.fastmail.com, on_reject: wrap, to: [leo@fastmail.com]}
  - {name: rewrites all the same, host: SMTP.gmail.com, on_reject: wrap, to: [leo@gmail.com]}
  - {name: by IMAP, protocol: imap, host: imap.gmail.com, username: leo, password: hunter2}
  - {name: not known, host: mail.gmx.net, to: [leo@gmx.de]}
`)
	const gmail = " replaces the From address of mail from others by your own (https://lee-phillips.org/gmailRewriting/, 2026-11-26); " +
		"set protocol: imap with host: imap.gmail.com, or deliver to another inbox"
	equal(t, "warnings", load(t, path, nil).Warnings, []string{
		path + ":5: forward[rewrites].host: smtp.gmail.com" + gmail,
		path + ":6: forward[by name].provider: smtp.mail.yahoo.com refuses mail from others: only your own addresses may be in From " +
			"(https://github.com/mattermost/mattermost/issues/13652, 2026-11-26); set protocol: imap with host: imap.mail.yahoo.com, or deliver to another inbox",
		path + ":7: forward[tokens].host: smtp-mail.outlook.com refuses mail from others: only your own addresses may be in From " +
			"(https://github.com/gophish/gophish/issues/2900, 2026-11-26); set protocol: imap with host: outlook.office365.com and oauth2, or deliver to another inbox",
		path + ":9: forward[rewrites all the same].host: SMTP.gmail.com" + gmail,
	})
}

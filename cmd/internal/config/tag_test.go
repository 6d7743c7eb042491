package config_test

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

// TestTagPlus: the account's name is in the recipients of that account alone, and not
// in its envelope sender.
func TestTagPlus(t *testing.T) {
	t.Parallel()
	c := load(t, write(t, 0o600, `
defaults: {host: pop.example.net, password: x}
accounts:
  - {name: Leo@ISP.example, username: a, tag: plus}
  - {name: other, username: b, to: [mia@example.org, joe+x@example.org], tag: plus}
  - {name: header, username: c, tag: header}
  - {name: local, username: d, tag: plus, forward: lmtp}
forward:
  - {name: main, host: smtp.example.org, to: [leo@example.org], x_forwarded_to: true}
  - {name: lmtp, protocol: lmtp, host: "unix:/run/lmtp", to: [leo]}
`), nil)
	for i, want := range []string{"leo+leo-isp.example@example.org", "mia+other@example.org joe+x+other@example.org", "leo@example.org", "leo+local"} {
		equal(t, c.Accounts[i].Name, strings.Join(c.Accounts[i].To, " "), want)
	}
	equal(t, "sender", c.Accounts[0].From, "leo@example.org")
	equal(t, "recipients of the destination", c.Forward[0].To, []string{"leo@example.org"})
	equal(t, "x_forwarded_to", c.Forward[0].XForwardedTo, true)
}

// TestTagsThatCannotBe: with file and line.
func TestTagsThatCannotBe(t *testing.T) {
	t.Parallel()
	for account, want := range map[string]string{
		"name: " + strings.Repeat("long", 20): "tag: plus cannot be used with",
		`name: "@"`:                           "tag: plus cannot be used with",
		"name: isp, forward: imap":            "tag: plus conflicts with protocol: imap",
	} {
		path := write(t, 0o600, "accounts: [{host: pop.example.net, username: leo, password: x, tag: plus, "+account+"}]\n"+
			"forward: [{host: smtp.example.org, to: [leo@example.org]}, {name: imap, protocol: imap, host: imap.example.org, username: leo, password: x}]\n")
		if _, err := config.Load(path, environment(nil)); err == nil || !strings.Contains(err.Error(), path+":1: accounts[") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", account, err, want)
		}
	}
}

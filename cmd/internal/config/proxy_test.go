package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
)

const routesConfig = `
proxy: socks5://leo@proxy.example.net:1080
proxy_password: hunter2
bind: 192.0.2.7
defaults: {host: pop.example.net, password: x}
accounts:
  - {name: shared, username: a}
  - {name: none, username: b, proxy: none}
  - {name: empty, username: c, proxy: "", bind: "", family: 6}
  - {name: own, username: d, proxy: "http://eve:@[::1]:3128"}
  - {name: list, username: e, proxy: [ssh, -W, "%h:%p", gate way]}
  - {name: line, username: f, proxy: "command:ssh -o 'User eve' -W %h:%p gate\\ way \"\""}
  - {name: here, username: g, host: localhost}
  - {name: theirs, username: h, host: localhost, proxy: [ssh, gateway, nc, "%h", "%p"], tls: none}
  - {name: family, username: i, family: 4}
forward:
  - {name: main, host: smtp.example.org, to: [leo@example.org], bind: "2001:db8::7"}
  - {name: local, protocol: lmtp, host: "unix:/run/lmtp", to: [leo]}
  - {name: folder, protocol: maildir, path: /mail}
`

// TestRoutes: a server has the route of all, unless it is on this machine or has its
// own.
func TestRoutes(t *testing.T) {
	t.Parallel()
	path := write(t, 0o600, strings.Replace(routesConfig, "eve:@", "eve@", 1))
	c := load(t, path, nil)
	all := config.Proxy{Kind: config.ProxySOCKS5, Host: "proxy.example.net", Port: 1080, Username: "leo"}
	command := func(words ...string) config.Proxy {
		return config.Proxy{Kind: config.ProxyCommand, Command: words, Dir: filepath.Dir(path)}
	}
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	want := map[string]config.Route{
		"shared": {Proxy: all, Bind: v4},
		"none":   {Bind: v4},
		"empty":  {Family: config.FamilyIPv6},
		"own":    {Proxy: config.Proxy{Kind: config.ProxyHTTP, Host: "::1", Port: 3128, Username: "eve"}},
		"list":   {Proxy: command("ssh", "-W", "%h:%p", "gate way"), Bind: v4},
		"line":   {Proxy: command("ssh", "-o", "User eve", "-W", "%h:%p", "gate way", ""), Bind: v4},
		"here":   {},
		"theirs": {Proxy: command("ssh", "gateway", "nc", "%h", "%p")},
		"family": {Proxy: all, Bind: v4, Family: config.FamilyIPv4},
		"main":   {Proxy: all, Bind: v6},
		"local":  {},
		"folder": {},
	}
	for _, s := range servers(c) {
		got := s.Route
		if got.Proxy.Host == all.Host {
			password, err := got.Proxy.Password.Get(t.Context())
			equal(t, "the password of the shared proxy", password, "hunter2")
			equal(t, "its error", err, nil)
		} else {
			equal(t, "another proxy has no password", got.Proxy.Password.IsZero(), true)
		}
		got.Proxy = got.Proxy.WithoutSecrets()
		equal(t, s.name, got, want[s.name])
	}
	equal(t, "of all", c.Route.Proxy.WithoutSecrets(), all)
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "proxy_password: the password goes to the proxy at proxy.example.net unencrypted") {
		t.Errorf("warnings %q, want one about the password", c.Warnings)
	}
}

// named is a server with the name of its account or destination.
type named struct {
	name string
	config.Server
}

func servers(c *config.Config) (all []named) {
	for _, a := range c.Accounts {
		all = append(all, named{a.Name, a.Server})
	}
	for _, d := range c.Forward {
		all = append(all, named{d.Name, d.Server})
	}
	return all
}

// TestProxyIDs: another proxy has another name, without what may be secret.
func TestProxyIDs(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	for _, text := range []string{"none", "socks5://leo@a:1", "http://a:1", "http://a:2", "command:ssh hunter2", "command:ssh hunter3"} {
		p, err := config.ParseProxy(text)
		if err != nil {
			t.Fatal(err)
		}
		id := p.ID()
		if ids[id] || strings.Contains(id, "hunter") || (id == "") != (text == "none") {
			t.Errorf("%s: got %q, want another name than %v", text, id, ids)
		}
		ids[id] = true
	}
}

// TestCommandSeesNoPasswords: a proxy's command does not get the variables that have
// them.
func TestCommandSeesNoPasswords(t *testing.T) { // it changes the environment
	t.Setenv("ISP_PASSWORD", "hunter2")
	t.Setenv("NOT_SECRET", "seen")
	path := write(t, 0o600, `
accounts: [{host: pop.example.net, username: leo, password_env: ISP_PASSWORD, proxy: [ssh, gateway]}]
forward: [{host: smtp.example.org, to: [leo@example.org]}]
`)
	c := load(t, path, map[string]string{"ISP_PASSWORD": "hunter2"})
	got := c.Accounts[0].Route.Proxy.Environ()
	if !slices.Contains(got, "NOT_SECRET=seen") || slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, "hunter2") }) {
		t.Errorf("got %d variables of %d, want all but the password's", len(got), len(os.Environ()))
	}
}

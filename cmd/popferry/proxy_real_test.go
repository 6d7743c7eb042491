package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// proxyWorld is a mailbox and two inboxes that only a proxy leads to.
type proxyWorld struct {
	from, inbox *realserver.Dovecot
	to          *realserver.Postfix
}

func newProxyWorld(t *testing.T) *proxyWorld {
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	w := &proxyWorld{from: d, inbox: realserver.StartDovecotIMAP(t), to: realserver.StartPostfix(t, d)}
	w.to.AddUser("inbox", "in:box")
	w.inbox.AddUser("inbox", "in:box")
	return w
}

// config polls a user by implicit TLS into SMTP, and another one by STARTTLS into
// IMAP. proxy is what all four servers are reached by.
func (w *proxyWorld) config(t *testing.T, user, proxy string) string {
	return testworld.Config(t, `
log: {level: error}
defaults: {tls_ca_file: %[1]q, password: secret, timeout: 10s, %[2]s}
accounts:
  - {name: smtp, %[3]s, tls: implicit, username: %[4]s}
  - {name: imap, %[5]s, tls: starttls, username: %[4]s2, forward: imap}
forward:
  - {name: smtp, %[6]s, tls: starttls, tls_ca_file: %[7]q, username: inbox, password: "in:box", from: inbox@popferry.test, to: [inbox@popferry.test], timeout: 10s, %[2]s}
  - {name: imap, protocol: imap, %[8]s, tls: starttls, tls_ca_file: %[9]q, username: inbox, password: "in:box", timeout: 10s, %[2]s}
state: popferry.db
`, w.from.CAFile(), proxy, testworld.HostPort(t, w.from.POP3S()), user, testworld.HostPort(t, w.from.POP3()),
		testworld.HostPort(t, w.to.Submission()), w.to.CAFile(), testworld.HostPort(t, w.inbox.IMAP()), w.inbox.CAFile())
}

// TestRealProxies: POP3, SMTP and IMAP through proxies that others wrote, with and
// without a login; then each fault has its cause.
func TestRealProxies(t *testing.T) {
	t.Parallel()
	w := newProxyWorld(t)
	login := realserver.ProxyOptions{Username: "ferry", Password: "s3cret proxy"}
	secret := login
	secret.Password = "s3cret-proxy" // of tinyproxy, which has no quotes
	for name, tt := range map[string]struct {
		start   func(testing.TB, realserver.ProxyOptions) *realserver.Proxy
		options realserver.ProxyOptions
	}{
		"microsocks":              {realserver.StartMicrosocks, realserver.ProxyOptions{}},
		"microsocks with a login": {realserver.StartMicrosocks, login},
		"dante":                   {realserver.StartDante, realserver.ProxyOptions{}},
		"tinyproxy":               {realserver.StartTinyproxy, realserver.ProxyOptions{}},
		"tinyproxy with a login":  {realserver.StartTinyproxy, secret},
		"squid":                   {realserver.StartSquid, realserver.ProxyOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			user := strings.ReplaceAll(name, " ", "-")
			for i, u := range []string{user, user + "2"} {
				w.from.AddUser(u, "secret")
				w.from.Seed(u, letter(u, 1, 3_000), letter(u, 2, 2<<20>>i))
			}
			p := tt.start(t, tt.options)
			proxy := fmt.Sprintf("proxy: %q", p.URL(tt.options.Username))
			if tt.options.Username != "" {
				proxy += fmt.Sprintf(", proxy_password: %q", tt.options.Password)
			}
			cfg := w.config(t, user, proxy)
			wantCauses(t, cfg, "")
			code, out, errs := popferry(t, "run", "--once", "--config", cfg)
			if code != exitOK || strings.Count(out, ": 2 forwarded") != 2 {
				t.Fatalf("got exit %d, want %d with 2 forwarded each\n%s%s", code, exitOK, out, errs)
			}
			if tt.options.Username != "" {
				wrong := strings.Replace(proxy, "s3cret", "wr0ng", 1)
				wantCauses(t, w.config(t, user, wrong), "proxy_login")
				nobody := fmt.Sprintf("proxy: %q", p.URL(""))
				wantCauses(t, w.config(t, user, nobody), "proxy_wants_login")
			}
			p.Stop()
			wantCauses(t, cfg, "proxy_connect")
			code, _, errs = popferry(t, "run", "--once", "--now", "--config", cfg)
			if code != exitAgain || !strings.Contains(errs, "cannot connect to the proxy") || strings.Contains(errs, "s3cret") {
				t.Errorf("without the proxy: got exit %d, want %d\n%s", code, exitAgain, errs)
			}
		})
	}
}

// TestRealProxiesThatRefuse: a port that may not be connected to, and a server that is
// not there.
func TestRealProxiesThatRefuse(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	for name, start := range map[string]func(testing.TB, realserver.ProxyOptions) *realserver.Proxy{
		"dante": realserver.StartDante, "tinyproxy": realserver.StartTinyproxy, "squid": realserver.StartSquid, "microsocks": realserver.StartMicrosocks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, realserver.ProxyOptions{Only: 9})
			for port, want := range map[int]string{9: "proxy_no_server", 10: "proxy_refuses"} {
				if name == "microsocks" {
					want = "proxy_no_server"
				}
				server := fmt.Sprintf("host: 127.0.0.1, port: %d, timeout: 10s, proxy: %q", port, p.URL(""))
				cfg := testworld.Config(t, "state: popferry.db\naccounts:\n  - {name: leo, %s, username: leo, password: x}\nforward:\n  - {name: main, %s, username: leo, password: x, to: [leo@popferry.test]}\n", server, server)
				wantCauses(t, cfg, want)
			}
		})
	}
}

// wantCauses checks a configuration: all its servers have this cause, or none.
func wantCauses(t *testing.T, cfg, want string) {
	t.Helper()
	code := exitOK
	if want != "" {
		code = exitAgain
	}
	c := checkJSONOf(t, cfg, code)
	for _, s := range append(c.Accounts, c.Destinations...) {
		got := ""
		for _, st := range s.Steps {
			if got += *st.Cause; !st.OK {
				t.Logf("%s: %s: %s\n> %s", s.Name, st.Step, *st.Text, *st.Remedy)
			}
		}
		if got != want {
			t.Errorf("%s: got cause %q, want %q", s.Name, got, want)
		}
	}
}

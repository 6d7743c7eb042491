package setup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/proxytest"
)

// TestSetUpThroughProxy: a new configuration gets the proxy, and the next mailbox is
// tried through it as well.
func TestSetUpThroughProxy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	pop := fmt.Sprintf("pop.isp.test:%d", f.pop3Port)
	other := fmt.Sprintf("pop2.isp.test:%d", f.pop3Port) // no DNS knows it
	smtp := fmt.Sprintf("smtp.isp.test:%d", f.smtpPort)
	proxy := proxytest.Start(t, proxytest.Options{Username: "ferry", Password: "hunter2", Servers: map[string]string{
		pop: f.pop3.Addr(), other: f.pop3.Addr(), smtp: f.smtp.Addr().String(),
	}})
	secret := filepath.Join(t.TempDir(), "proxy")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := f.everything()
	in.Proxy, in.ProxyPasswordFile = fmt.Sprintf("socks5://ferry@127.0.0.1:%d", proxy.Port), secret
	f.succeeds(f.run(in))
	asked := proxy.Asked()
	if !slices.Contains(asked, pop) || !slices.Contains(asked, smtp) {
		t.Errorf("the proxy was asked for %v, want %s and %s", asked, pop, smtp)
	}
	if text, err := os.ReadFile(f.path("proxy.password")); err != nil || string(text) != "hunter2\n" {
		t.Errorf("the file with the password: %q, %v", text, err)
	}
	cfg, err := app.Load(f.path("popferry.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ got, want any }{{cfg.Route.Proxy.Port, proxy.Port}, {cfg.Accounts[0].Route.Proxy.Username, "ferry"}, {cfg.Forward[0].Route.Proxy.Kind, "socks5"}} {
		if s.got != s.want {
			t.Errorf("read back: got %v, want %v", s.got, s.want)
		}
	}
	in = f.mailboxAt("pop2")
	in.Name, in.Mailbox.Username = "second", "leo"
	f.succeeds(f.run(in))
	if asked := proxy.Asked(); !slices.Contains(asked, other) {
		t.Errorf("the proxy was asked for %v, want %s as well", asked, other)
	}
	in.Proxy = "none"
	if err := f.run(in); !is[*app.UsageError](err) {
		t.Errorf("another proxy for an existing configuration: %v, want a UsageError", err)
	}
}

// TestProxyInput: mistakes in the flags.
func TestProxyInput(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	for proxy, file := range map[string]string{"socks5://ferry:hunter2@gateway:1": "", "gateway:1": "", "http://gateway:1": f.secret} {
		in := f.everything()
		in.Proxy, in.ProxyPasswordFile = proxy, file
		f.fails(in.Check(), "--proxy")
	}
}

package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/proxytest"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// TestPools: who means the same sessions has the same pool, with the newest
// password, until the last one leaves it.
func TestPools(t *testing.T) {
	t.Parallel()
	var p Pools
	var passwords []secretFunc
	network := dial.NewNetwork()
	take := func(change func(*config.Destination)) *sharedPool {
		t.Helper()
		d := config.Destination{Name: "main", Server: config.Server{Host: "smtp.example.net", Port: 587, Secret: config.NewSecret("first")}, Connections: 4, To: []string{"a@example.org"}}
		change(&d)
		dialer, err := network.New(DialTarget(d.Server))
		if err != nil {
			t.Fatal(err)
		}
		return p.acquire(poolSettings{destination: settingsOf(d), dialer: dialer}, d.Secret, nil, func(s secretFunc, _ dialFunc) sessions {
			passwords = append(passwords, s)
			return smtpSessions{smtp.New(smtp.Options{})}
		})
	}
	first := take(func(*config.Destination) {})
	for name, c := range map[string]struct {
		change func(*config.Destination)
		same   bool
	}{
		"nothing":         {func(*config.Destination) {}, true},
		"the recipients":  {func(d *config.Destination) { d.To = []string{"b@example.org"} }, true},
		"the place":       {func(d *config.Destination) { d.Line = 7 }, true},
		"the host":        {func(d *config.Destination) { d.Host = "other.example.net" }, false},
		"the TLS":         {func(d *config.Destination) { d.TLS.Pin = "sha256:" + strings.Repeat("00", 32) }, false},
		"the connections": {func(d *config.Destination) { d.Connections = 1 }, false},
		"the proxy": {func(d *config.Destination) {
			d.Route.Proxy = config.Proxy{Kind: config.ProxyHTTP, Host: "proxy", Port: 1}
		}, false},
		"the family": {func(d *config.Destination) { d.Route.Family = config.FamilyIPv4 }, false},
		"the name":   {func(d *config.Destination) { d.Name = "other" }, false},
	} {
		s := take(c.change)
		if (s == first) != c.same {
			t.Errorf("%s has changed: the same pool: %t", name, s == first)
		}
		p.release(s)
	}
	second := take(func(d *config.Destination) { d.Secret = config.NewSecret("second") })
	if got, err := passwords[0](t.Context()); second != first || err != nil || got != "second" {
		t.Errorf("the password is %q, %v", got, err)
	}
	p.release(first)
	if len(p.open) != 1 {
		t.Errorf("%d pools are open while one is used", len(p.open))
	}
	p.release(second)
	if _, err := first.Send(t.Context(), &forwarder.Message{}); len(p.open) != 0 || !errors.Is(err, smtp.ErrClosed) {
		t.Errorf("%d pools are open while none is used; delivering: %v", len(p.open), err)
	}
}

// TestPoolsOfNewFiles: a new configuration whose certificates have changed, or
// that has an account traced whose mail went elsewhere, does not go on with what
// the old one had, though both say the same of the destination.
func TestPoolsOfNewFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	renew := func() {
		t.Helper()
		text, err := os.ReadFile(certtest.New(t).File())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ca+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(ca+".new", ca); err != nil {
			t.Fatal(err)
		}
	}
	renew()
	w := NewResources()
	w.Trace = NewTrace("isp", io.Discard, config.Log{})
	d := config.Destination{Name: "main", Server: config.Server{Host: "smtp.example.net", Port: 587, TLS: config.TLS{Mode: config.TLSStart, CAFile: ca}}}
	take := func(forward string) *sharedPool {
		t.Helper()
		s, err := w.pool(d, []config.Account{{Name: "isp", Forward: forward}}, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Pools.release(s) })
		return s
	}
	first := take("main")
	if take("main") != first {
		t.Error("nothing has changed, and it is another pool")
	}
	if take("other") == first {
		t.Error("what is not to be traced any more is the pool that is")
	}
	renew()
	if take("main") == first {
		t.Error("the certificates have changed, and it is the same pool")
	}
}

// TestPoolHasTheNewestPasswordOfTheProxy: like that of the destination, it may be
// another one in a new configuration, whose pool is the same.
func TestPoolHasTheNewestPasswordOfTheProxy(t *testing.T) {
	t.Parallel()
	proxy := proxytest.Start(t, proxytest.Options{Username: "leo", Password: "second"})
	w := NewResources()
	take := func(password string) *sharedPool {
		t.Helper()
		d := config.Destination{Name: "main", Server: config.Server{Host: "smtp.example.net", Port: 587, TLS: config.TLS{Mode: config.TLSStart}}}
		d.Route.Proxy = config.Proxy{Kind: config.ProxySOCKS5, Host: proxy.Host, Port: proxy.Port, Username: "leo", Password: config.NewSecret(password)}
		s, err := w.pool(d, nil, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Pools.release(s) })
		return s
	}
	first := take("first")
	failed, ok := errors.AsType[*dial.ProxyError](first.Check(t.Context()))
	if !ok || failed.Reason != dial.ProxyLogin {
		t.Fatalf("with the wrong password: got %v, want that the proxy refuses the login", failed)
	}
	if take("second") != first {
		t.Error("another password for the proxy makes another pool")
	}
	failed, ok = errors.AsType[*dial.ProxyError](first.Check(t.Context()))
	if !ok || failed.Reason != dial.ProxyNoServer { // the proxy knows no server
		t.Errorf("with the right password: got %v, want that the proxy has no server", failed)
	}
}

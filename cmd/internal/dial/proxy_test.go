package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/proxytest"
)

// through is a target that only the proxy can reach.
func through(p *proxytest.Proxy, kind ProxyKind, username, password string) Target {
	return Target{Host: "pop.behind.test", Port: 995, Timeout: 10 * time.Second, Route: Route{Proxy: Proxy{
		Kind: kind, Host: p.Host, Port: p.Port, Username: username,
		Password: func(context.Context) (string, error) { return password, nil },
	}}}
}

// kinds are the proxies that have a protocol.
var kinds = map[string]ProxyKind{"socks5": SOCKS5, "http": HTTP}

// TestThroughProxy: the proxy looks up the server's name, and TLS is with the server,
// whose certificate counts.
func TestThroughProxy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	secure := net.JoinHostPort("127.0.0.1", strconv.Itoa(serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{a.server(nil)}}))))
	plain := net.JoinHostPort("127.0.0.1", strconv.Itoa(serve(t, greet)))
	servers := map[string]string{"pop.behind.test:995": secure, "pop.behind.test:110": plain}
	for name, kind := range kinds {
		for _, user := range []string{"", "leo"} {
			t.Run(name+user, func(t *testing.T) {
				t.Parallel()
				p := proxytest.Start(t, proxytest.Options{HTTP: kind == HTTP, Username: user, Password: "s3cret", Servers: servers})
				target := through(p, kind, user, "s3cret")
				target.TLS = TLS{CAFile: a.file(), ServerName: "mail.test"}
				if err := open(t, target); err != nil {
					t.Error("with TLS:", err)
				}
				target.TLS = TLS{CAFile: a.file()}
				failure(t, open(t, target), StageCertificate) // the server's, by the name of the target
				target.Port, target.TLS = 110, TLS{Mode: None}
				if err := open(t, target); err != nil {
					t.Error("a server that speaks first:", err)
				}
				for _, server := range p.Asked() {
					if servers[server] == "" {
						t.Errorf("the proxy was asked for %s", server)
					}
				}
			})
		}
	}
}

// TestProxyFailures: each failure says whether the proxy or the server is at fault,
// and a proxy's password is in none.
func TestProxyFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind   ProxyKind
		proxy  proxytest.Options
		user   string
		reason ProxyReason
		says   string
	}{
		"a login is wanted":         {SOCKS5, proxytest.Options{Username: "mia", Password: "x"}, "", ProxyWantsLogin, "no acceptable authentication methods"},
		"a wrong password":          {SOCKS5, proxytest.Options{Username: "leo", Password: "x"}, "leo", ProxyLogin, "authentication failed"},
		"general failure":           {SOCKS5, proxytest.Options{Reply: 1}, "", ProxyNoServer, "the proxy says: general SOCKS server failure"},
		"not allowed":               {SOCKS5, proxytest.Options{Reply: 2}, "", ProxyRefuses, "the proxy says: connection not allowed by ruleset"},
		"network unreachable":       {SOCKS5, proxytest.Options{Reply: 3}, "", ProxyNoServer, "the proxy says: network unreachable"},
		"host unreachable":          {SOCKS5, proxytest.Options{Reply: 4}, "", ProxyNoServer, "the proxy says: host unreachable"},
		"connection refused":        {SOCKS5, proxytest.Options{Reply: 5}, "", ProxyNoServer, "the proxy says: connection refused"},
		"TTL expired":               {SOCKS5, proxytest.Options{Reply: 6}, "", ProxyNoServer, "the proxy says: TTL expired"},
		"command not supported":     {SOCKS5, proxytest.Options{Reply: 7}, "", ProxyRefuses, "the proxy says: command not supported"},
		"address not supported":     {SOCKS5, proxytest.Options{Reply: 8}, "", ProxyRefuses, "the proxy says: address type not supported"},
		"an unknown reply":          {SOCKS5, proxytest.Options{Reply: 99}, "", ProxyNoServer, "the proxy says: unknown code: 99"},
		"another server":            {SOCKS5, proxytest.Options{Says: "220 mail.test ESMTP\r\n"}, "", ProxyProtocol, "unexpected protocol version 50"},
		"HTTP: a login is wanted":   {HTTP, proxytest.Options{Username: "mia", Password: "x"}, "", ProxyWantsLogin, "the proxy says: 407 Proxy Authentication Required"},
		"HTTP: a wrong password":    {HTTP, proxytest.Options{Username: "leo", Password: "x"}, "leo", ProxyLogin, "the proxy says: 407 Proxy Authentication Required"},
		"HTTP: tinyproxy's 401":     {HTTP, proxytest.Options{Reply: 401}, "leo", ProxyLogin, "the proxy says: 401 Unauthorized"},
		"HTTP: forbidden":           {HTTP, proxytest.Options{Reply: 403}, "", ProxyRefuses, "the proxy says: 403 Forbidden"},
		"HTTP: no CONNECT":          {HTTP, proxytest.Options{Reply: 501}, "", ProxyRefuses, "the proxy says: 501 Not Implemented"},
		"HTTP: a redirect":          {HTTP, proxytest.Options{Reply: 302}, "", ProxyRefuses, "the proxy says: 302 Found"},
		"HTTP: no server":           {HTTP, proxytest.Options{}, "", ProxyNoServer, "the proxy says: 502 Bad Gateway"},
		"HTTP: another server":      {HTTP, proxytest.Options{Says: "220 mail.test ESMTP\r\n"}, "", ProxyProtocol, "malformed HTTP"},
		"HTTP: a long answer":       {HTTP, proxytest.Options{Header: 100_000}, "", ProxyProtocol, "more than 16384 octets"},
		"HTTP: control characters":  {HTTP, proxytest.Options{Says: "HTTP/1.1 403 \x1b[2Jno\r\n\r\n"}, "", ProxyRefuses, "no"},
		"a password is not wanted":  {SOCKS5, proxytest.Options{}, "leo", ProxyNoServer, "the proxy says: connection refused"},
		"HTTP: a password not used": {HTTP, proxytest.Options{}, "leo", ProxyNoServer, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.proxy.HTTP = tt.proxy.HTTP || tt.kind == HTTP
			p := proxytest.Start(t, tt.proxy)
			err := open(t, through(p, tt.kind, tt.user, "hunter2"))
			wantProxyError(t, err, tt.reason, tt.says)
		})
	}
}

// wantProxyError checks an error, its stage and its words.
func wantProxyError(t *testing.T, err error, want ProxyReason, says string) {
	t.Helper()
	var failed *ProxyError
	if !errors.As(err, &failed) || failed.Reason != want {
		t.Fatalf("got %v, want a proxy's error %d", err, want)
	}
	if !strings.Contains(err.Error(), says) || strings.ContainsAny(err.Error(), "\x1b\r\n") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %q, want %q in it", err, says)
	}
	stage := StageProxy
	if want == ProxyNoServer {
		stage = StageConnect
	}
	failure(t, err, stage)
}

// TestProxyThatIsNotThere: the lookup and the connection are the proxy's.
func TestProxyThatIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for name, tt := range map[string]struct {
		host   string
		family Family
		want   ProxyReason
	}{
		"refused": {"127.0.0.1", AnyFamily, ProxyConnect},
		"no name": {"proxy.nowhere.test", AnyFamily, ProxyName},
		"family":  {"127.0.0.1", IPv6, ProxyName},
	} {
		n := NewNetworkWith(knowsNobody())
		d, err := n.New(Target{Host: "192.0.2.1", Port: 995, Route: Route{Proxy: Proxy{Kind: HTTP, Host: tt.host, Port: port}, Family: tt.family}})
		check(t, err)
		_, err = d.Dial(t.Context())
		t.Log(name, err)
		wantProxyError(t, err, tt.want, "http://"+tt.host)
	}
}

// TestSilentProxy: what does not answer is the proxy, or, once the proxy has let us
// in, the server behind it. The time is the target's.
func TestSilentProxy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind ProxyKind
		o    proxytest.Options
		want ProxyReason
	}{
		"SOCKS5":                          {SOCKS5, proxytest.Options{Silent: true}, ProxyNoAnswer},
		"HTTP":                            {HTTP, proxytest.Options{Silent: true}, ProxyNoAnswer},
		"the server behind SOCKS5":        {SOCKS5, proxytest.Options{SilentServer: true}, ProxyNoServer},
		"the same, after a login":         {SOCKS5, proxytest.Options{SilentServer: true, Username: "leo", Password: "s3cret"}, ProxyNoServer},
		"the server behind HTTP, perhaps": {HTTP, proxytest.Options{SilentServer: true, HTTP: true}, ProxyNoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := proxytest.Start(t, tt.o)
			target := through(p, tt.kind, tt.o.Username, "s3cret")
			target.Timeout = 100 * time.Millisecond
			err := open(t, target)
			wantProxyError(t, err, tt.want, "no answer in time")
			if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
				t.Errorf("%v is not a timeout", err)
			}
		})
	}
}

// TestProxyIsLeftWhenStopped: the end of the context ends the wait.
func TestProxyIsLeftWhenStopped(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		ctx, cancel := context.WithCancel(t.Context())
		p := proxytest.Start(t, proxytest.Options{Silent: true})
		d, err := New(through(p, kind, "", ""))
		check(t, err)
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err = d.Dial(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was canceled", err)
		}
	}
}

// TestSecretOfProxy: a password that cannot be read is not sent, nor an empty one
// in its place.
func TestSecretOfProxy(t *testing.T) {
	t.Parallel()
	p := proxytest.Start(t, proxytest.Options{})
	target := through(p, SOCKS5, "leo", "")
	target.Route.Proxy.Password = func(context.Context) (string, error) { return "", errors.New("no such file") }
	wantProxyError(t, open(t, target), ProxySecret, "no such file")
	if asked := p.Asked(); len(asked) > 0 {
		t.Errorf("the proxy was asked for %v", asked)
	}
}

// TestBind: connections go out from the address, directly and to a proxy.
func TestBind(t *testing.T) {
	t.Parallel()
	from := make(chan string, 1)
	port := serve(t, func(c net.Conn) {
		from <- c.RemoteAddr().(*net.TCPAddr).IP.String()
		_, _ = c.Write([]byte("+OK\r\n"))
	})
	bind := netip.MustParseAddr("127.0.0.2") // Linux has all of 127.0.0.0/8
	probe, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("only one loopback address here:", err)
	}
	probe.Close()
	check(t, open(t, Target{Port: port, TLS: TLS{Mode: None}, Route: Route{Bind: bind}}))
	if got := <-from; got != "127.0.0.2" {
		t.Errorf("directly: it came from %s", got)
	}
	_ = open(t, Target{Host: "pop.behind.test", Port: 1, TLS: TLS{Mode: None}, Route: Route{Bind: bind, Proxy: Proxy{Kind: HTTP, Host: "127.0.0.1", Port: port}}})
	if got := <-from; got != "127.0.0.2" {
		t.Errorf("to a proxy: it came from %s", got)
	}
	err = open(t, Target{Port: port, TLS: TLS{Mode: None}, Route: Route{Bind: netip.MustParseAddr("192.0.2.1")}})
	if failure(t, err, StageConnect); !IsBindError(err) {
		t.Errorf("got %v, want that this machine does not have the address", err)
	}
}

// TestFamily: only addresses of the family are tried, and bind implies its own.
func TestFamily(t *testing.T) {
	t.Parallel()
	z := &zone{addrs: []string{"2001:db8::1", "192.0.2.1"}}
	for name, tt := range map[string]struct {
		route Route
		want  string
	}{
		"4":                   {Route{Family: IPv4}, "192.0.2.1:110"},
		"6":                   {Route{Family: IPv6}, "[2001:db8::1]:110"},
		"an address of IPv6":  {Route{Bind: netip.MustParseAddr("2001:db8::2")}, "[2001:db8::1]:110"},
		"an address of IPv4 ": {Route{Bind: netip.MustParseAddr("192.0.2.2")}, "192.0.2.1:110"},
	} {
		var asked []string
		n := NewNetwork().Over(func(_ context.Context, _, address string) (net.Conn, error) {
			asked = append(asked, address)
			return nil, errors.New("nobody is there")
		})
		d, err := n.New(Target{Host: "pop.example.test", Port: 110, TLS: TLS{Mode: None}, Route: tt.route})
		check(t, err)
		d.names = z.resolver()
		if _, err = d.Dial(t.Context()); strings.Join(asked, " ") != tt.want {
			t.Errorf("%s: asked for %v (%v), want %s", name, asked, err, tt.want)
		}
	}
	z.set("192.0.2.1")
	d, err := New(Target{Host: "pop.example.test", Port: 110, TLS: TLS{Mode: None}, Route: Route{Family: IPv6}})
	check(t, err)
	d.names = z.resolver()
	_, err = d.Dial(t.Context())
	if e, ok := errors.AsType[*FamilyError](failure(t, err, StageName)); !ok || e.Error() != "pop.example.test has no IPv6 address" {
		t.Errorf("got %v, want that there is no IPv6 address", err)
	}
}

// TestNetworkHasRoute: a target without a route of its own has the network's, also
// where the caller makes the connections to servers.
func TestNetworkHasRoute(t *testing.T) {
	t.Parallel()
	p := proxytest.Start(t, proxytest.Options{})
	n := NewNetwork().Via(Route{Proxy: Proxy{Kind: SOCKS5, Host: p.Host, Port: p.Port}}).Over(func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("not to be used")
	})
	d, err := n.New(Target{Host: "pop.behind.test", Port: 995})
	check(t, err)
	_, err = d.Dial(t.Context())
	wantProxyError(t, err, ProxyNoServer, "connection refused")
	if asked := strings.Join(p.Asked(), " "); asked != "pop.behind.test:995" {
		t.Errorf("asked for %s", asked)
	}
}

// TestSlowProxy: a proxy has as much time as the target.
func TestSlowProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			defer far.Close()
			request, _ := bufio.NewReader(far).ReadString('\n')
			time.Sleep(50 * time.Second)
			_, _ = far.Write([]byte("HTTP/1.1 200 " + request[:7] + "\r\n\r\n+OK\r\n"))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := &relay{Proxy: Proxy{Kind: HTTP}, host: "pop.behind.test", port: "995"}
		conn, err := r.askHTTP(ctx, near, "")
		check(t, err)
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+OK\r\n" {
			t.Errorf("got %q, %v", line, err)
		}
	})
}

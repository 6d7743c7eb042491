package web_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/web"
)

// on is the address of the machine's network in these tests.
var on = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 10), Port: 8110}

// elsewhere is a listener whose connections seem to come in by the network.
type elsewhere struct{ net.Listener }

func (l elsewhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return elsewhereConn{c}, err
}

type elsewhereConn struct{ net.Conn }

func (elsewhereConn) LocalAddr() net.Addr { return on }

// serve serves pages on the loopback address and returns it, host:port.
func serve(t *testing.T, pages http.Handler, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	s := web.NewServer(pages, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return addr
}

// send sends a request and returns the answer with its body read.
func send(t *testing.T, r *http.Request) (response, string) {
	t.Helper()
	r.Close = true
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res.StatusCode, res.Status, res.Header, res.Cookies()}, string(body)
}

// response is what came before the body.
type response struct {
	StatusCode int
	Status     string
	Header     http.Header
	cookies    []*http.Cookie
}

// Cookies are those that it sets.
func (r response) Cookies() []*http.Cookie { return r.cookies }

// ask returns a GET request, or a POST if there is a form.
func ask(t *testing.T, addr, path string, form url.Values) *http.Request {
	t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// TestHostNames: another site cannot have its own name lead to the page and then
// read it. Health probes from other machines come under any name.
func TestHostNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.access = web.Access{Hosts: []string{"mail.example.org", "popferry"}}
	local := serve(t, s, nil)
	network := serve(t, s, func(l net.Listener) net.Listener { return elsewhere{l} })
	known := map[string]bool{
		"localhost": true, "LocalHost:8110": true, "127.0.0.1:8110": true, "[::1]:8110": true, "[::1]": true, "192.0.2.10:8110": true, "10.0.0.1": true,
		"mail.example.org": true, "MAIL.example.org.:443": true, "popferry:8110": true,
		"evil.example:8110": false, "evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"a.mail.example.org": false, "mail.example.org.evil.example": false, "xlocalhost": false,
	}
	paths := []string{"/", "/status.json", "/metrics", "/login", "/style.css", "/healthz", "/readyz", "/nonsense"}
	for _, addr := range []string{local, network} {
		for _, path := range paths {
			for host, ours := range known {
				r := ask(t, addr, path, nil)
				r.Host = host
				res, body := send(t, r)
				probe := addr == network && (path == "/healthz" || path == "/readyz")
				refused := !ours && !probe
				if (res.StatusCode == http.StatusMisdirectedRequest) != refused {
					t.Errorf("%s with Host %s (by the network: %t): %s, want it refused: %t", path, host, addr == network, res.Status, refused)
				}
				if refused && (!strings.Contains(body, "web: {hosts:") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain")) {
					t.Errorf("%s with Host %s says %q, want plain text with the key to set", path, host, body)
				}
			}
		}
	}
	if n := strings.Count(s.log.String(), "web.hosts"); n != 1 {
		t.Errorf("the log names web.hosts %d times, want once:\n%s", n, s.log)
	}
}

// TestForeignHostCannotAct: not even with the password.
func TestForeignHostCannotAct(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	addr := serve(t, s, nil)
	for path, form := range map[string]url.Values{"/login": {"password": {s.password}}, "/poll": {"account": {"isp"}}} {
		r := ask(t, addr, path, form)
		r.Host = "evil.example"
		r.SetBasicAuth("", s.password)
		if res, _ := send(t, r); res.StatusCode != http.StatusMisdirectedRequest || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s with %d cookies, want 421 with none", path, res.Status, len(res.Cookies()))
		}
	}
	if len(s.actions.done) > 0 {
		t.Errorf("actions done: %q, want none", s.actions.done)
	}
}

// TestNoHost: a health check by HTTP/1.0, as load balancers send it, names no host.
func TestNoHost(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", serve(t, newSite(t), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s, want 200", res.Status)
	}
}

// TestClientBehindProxies: the log names the client that a trusted proxy asks for.
// What others say about themselves is not believed.
func TestClientBehindProxies(t *testing.T) {
	t.Parallel()
	local := netip.MustParsePrefix("127.0.0.0/8")
	inner := netip.MustParsePrefix("10.0.0.0/8")
	for name, tt := range map[string]struct {
		trusted   []netip.Prefix
		forwarded []string
		want      string
		hint      bool
	}{
		"no proxy":                {nil, nil, "127.0.0.1", false},
		"no proxy, but one known": {[]netip.Prefix{local}, nil, "127.0.0.1", false},
		"not trusted":             {nil, []string{"198.51.100.7"}, "127.0.0.1", true},
		"another is trusted":      {[]netip.Prefix{inner}, []string{"198.51.100.7"}, "127.0.0.1", true},
		"trusted":                 {[]netip.Prefix{local}, []string{"198.51.100.7"}, "198.51.100.7", false},
		"invented by the client":  {[]netip.Prefix{local}, []string{"203.0.113.1, 198.51.100.7"}, "198.51.100.7", false},
		"invented, in two fields": {[]netip.Prefix{local}, []string{"203.0.113.1", "198.51.100.7"}, "198.51.100.7", false},
		"two proxies":             {[]netip.Prefix{local, inner}, []string{"203.0.113.1, 198.51.100.7, 10.1.2.3"}, "198.51.100.7", false},
		"all are proxies":         {[]netip.Prefix{local, inner}, []string{"10.1.2.3"}, "10.1.2.3", false},
		"nonsense":                {[]netip.Prefix{local}, []string{"198.51.100.7, unknown"}, "127.0.0.1", false},
		"empty":                   {[]netip.Prefix{local}, []string{""}, "127.0.0.1", false},
		"with a port":             {[]netip.Prefix{local}, []string{"198.51.100.7:4711"}, "198.51.100.7", false},
		"IPv6":                    {[]netip.Prefix{local}, []string{"[2001:db8::1]:4711"}, "2001:db8::1", false},
		"IPv4 in IPv6":            {[]netip.Prefix{local}, []string{"::ffff:198.51.100.7"}, "198.51.100.7", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.access.TrustedProxies = tt.trusted
			addr := serve(t, s, nil)
			for range 2 {
				r := ask(t, addr, "/login", url.Values{"password": {"wrong"}})
				for _, f := range tt.forwarded {
					r.Header.Add("X-Forwarded-For", f)
				}
				if res, _ := send(t, r); res.StatusCode != http.StatusForbidden {
					t.Fatalf("a wrong password: %s, want 403", res.Status)
				}
			}
			if want := fmt.Sprintf("msg=\"wrong password for the status page\" from=%s\n", tt.want); strings.Count(s.log.String(), want) != 2 {
				t.Errorf("the log is %q, want twice %q", s.log, want)
			}
			hints := strings.Count(s.log.String(), "web.trusted_proxies")
			if want := map[bool]int{true: 1}[tt.hint]; hints != want {
				t.Errorf("the log names web.trusted_proxies %d times, want %d: %q", hints, want, s.log)
			}
		})
	}
}

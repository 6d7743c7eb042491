package testworld

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/dnstest"
)

// AnyServer allows what the usual rules of discovery do not: the servers of tests
// are on this machine, and on any port.
func AnyServer() discover.Rules {
	return discover.Rules{
		Port:    func(discover.Protocol, int) bool { return true },
		Address: func(netip.Addr, bool) error { return nil },
	}
}

// Discovery returns a DNS with the records of a zone, and a way to an HTTPS
// server with these pages, whose keys are host/path. There are no others.
func Discovery(tb testing.TB, authority *certtest.Authority, zone string, pages map[string]string) (*net.Resolver, http.RoundTripper) {
	tb.Helper()
	names := []string{"unused.test"}
	for page := range pages {
		host, _, _ := strings.Cut(page, "/")
		names = append(names, host)
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[r.Host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Server(names...)}}
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	tb.Cleanup(web.Close)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, web.Listener.Addr().String())
		},
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return dnstest.Start(tb, zone), transport
}

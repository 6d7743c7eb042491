package discover

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the Internet of a test: a DNS server, and one HTTPS server that
// stands for all names, with the pages of some of them.
type world struct {
	resolver  *net.Resolver
	authority *certtest.Authority
	https     *httptest.Server

	mu    sync.Mutex
	asked []string // host and path of every request, with the query
}

// newWorld takes the zone and pages: host/path to text. A page that begins
// with https:// or http:// is a redirect.
func newWorld(t *testing.T, zone string, pages map[string]string) *world {
	t.Helper()
	w := &world{resolver: dnstest.Start(t, zone), authority: certtest.New(t)}
	w.https = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Host+r.URL.RequestURI()+r.Referer())
		w.mu.Unlock()
		text, ok := pages[r.Host+r.URL.Path]
		switch {
		case !ok:
			http.NotFound(rw, r)
		case strings.HasPrefix(text, "http"):
			http.Redirect(rw, r, text, http.StatusFound)
		default:
			_, _ = rw.Write([]byte(text))
		}
	}))
	names := []string{"autoconfig.thunderbird.net"}
	for page := range pages {
		host, _, _ := strings.Cut(page, "/")
		names = append(names, host)
	}
	w.https.Config.ErrorLog = log.New(io.Discard, "", 0) // names that have no page have no certificate
	w.https.TLS = &tls.Config{Certificates: []tls.Certificate{w.authority.Server(names...)}}
	w.https.StartTLS()
	t.Cleanup(w.https.Close)
	return w
}

// finder is one in this world.
func (w *world) finder(t *testing.T) *Finder {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: w.authority.Pool()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, w.https.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return New(Options{Resolver: w.resolver, Transport: transport, Network: dial.NewNetworkWith(w.resolver),
		CAFile: w.authority.File(), Timeout: time.Minute})
}

// find is what is found for an address, as lines.
func (w *world) find(t *testing.T, address string) (found Found, pop3, submission []string) {
	t.Helper()
	a, err := ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	found = w.finder(t).Find(t.Context(), a)
	return found, lines(found.POP3), lines(found.Submission)
}

func lines(list []Candidate) (out []string) {
	for _, c := range list {
		line := c.Server.String() + " (" + c.From + ")"
		if c.Untrusted {
			line += " untrusted"
		}
		if c.TokenOnly {
			line += " token only"
		}
		out = append(out, line+" "+strings.Join(c.Usernames, "|"))
	}
	return out
}

// begins checks the first lines of a list; the rest has to be guesses.
func begins(t *testing.T, what string, got, want []string) {
	t.Helper()
	rest := got[min(len(want), len(got)):]
	if !slices.Equal(got[:min(len(want), len(got))], want) || slices.ContainsFunc(rest, func(l string) bool { return !strings.Contains(l, "(a guess)") }) {
		t.Errorf("%s: got\n  %s\nwant\n  %s\nand guesses", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/mailboxes"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/web"
)

const (
	// setupLife is how long popferry can be set up on its page after the start.
	setupLife = 30 * time.Minute
	// lastPage is how long the browser has to show the end of a set-up.
	lastPage = 10 * time.Second
)

// ErrSetupLate: nobody has set popferry up in time.
var ErrSetupLate = fmt.Errorf("nobody has set up popferry within %d minutes; start popferry run --setup again for a new code", setupLife/time.Minute)

// FirstSetupOptions are what FirstSetup needs.
type FirstSetupOptions struct {
	Setup     setup.Options // its Config is where the configuration will be
	Listen    string        // host:port
	TLS       config.ListenTLS
	Resources app.Resources
	Log       *slog.Logger
	Version   string
	// Tell is called with the page's address and the code for it.
	Tell func(url, code string)

	life time.Duration // 0: setupLife; for tests
}

// FirstSetup serves the page on which popferry is set up where there is no
// configuration, until that is done: the configuration then has a status page at the
// same address. The error is ErrSetupLate, or that of listening, or of ctx.
func FirstSetup(ctx context.Context, o FirstSetupOptions) (setup.Result, error) {
	life := cmp.Or(o.life, setupLife)
	ctx, cancel := context.WithTimeoutCause(ctx, life, ErrSetupLate)
	defer cancel()
	if err := o.check(); err != nil {
		return setup.Result{}, err
	}
	s := &httpServer{log: o.Log}
	defer s.close()
	hosts, err := s.namesOf(o.TLS)
	if err != nil {
		return setup.Result{}, err
	}
	shown, result := make(chan struct{}), make(chan setup.Result, 1)
	page := setup.Page{Settings: setup.PageSettings{CertFile: o.TLS.CertFile, KeyFile: o.TLS.KeyFile, Hosts: hosts}}
	if o.Setup.Page != nil {
		page.CAFile = o.Setup.Page.CAFile
	}
	o.Setup.Page = &page
	desk := mailboxes.New(ctx, mailboxes.Options{Setup: o.Setup, Resources: o.Resources, Changed: func(r setup.Result) { result <- r }})
	defer desk.Close()
	code, ends := web.NewCode(), time.Now().Add(life)
	s.handler = web.NewFirstSetup(web.FirstSetupOptions{
		Mailboxes: desk, Code: code, Ends: ends, Access: web.Access{Hosts: hosts}, Done: sync.OnceFunc(func() { close(shown) }), Version: o.Version, Log: o.Log,
	})
	if err := s.relisten(ctx, &config.Config{Listen: o.Listen, ListenTLS: o.TLS}); err != nil {
		return setup.Result{}, err
	}
	desk.Setup.Page.Settings.Listen = s.listening // nobody knows the code yet
	o.Tell(pageURL(s.listening, hosts, o.TLS), code)
	select {
	case r := <-result:
		select {
		case <-shown:
		case <-time.After(lastPage):
		case <-ctx.Done():
		}
		return r, nil
	case <-ctx.Done():
		return setup.Result{}, context.Cause(ctx)
	}
}

// check refuses an address that others can reach without TLS: passwords go there.
func (o FirstSetupOptions) check() error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return &app.UsageError{Err: fmt.Errorf("--listen: %q is not an address such as 127.0.0.1:8110", o.Listen)}
	}
	if ip := net.ParseIP(host); o.TLS.CertFile == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &app.UsageError{Err: fmt.Errorf("--listen: other machines can reach %s, and passwords are typed in there, so it needs a certificate: --listen-tls-cert-file and --listen-tls-key-file", o.Listen)}
	}
	return nil
}

// namesOf loads the certificate and returns the host names that it is for: the page
// answers to no others.
func (h *httpServer) namesOf(files config.ListenTLS) (names []string, err error) {
	if files.CertFile == "" {
		return nil, nil
	}
	if err := h.loadCertificate(files); err != nil {
		return nil, err
	}
	cert, err := leafOf(h.cert.Load())
	if err != nil {
		return nil, err
	}
	for _, name := range cert.DNSNames {
		if !strings.Contains(name, "*") {
			names = append(names, strings.ToLower(name))
		}
	}
	return names, nil
}

func leafOf(c *tls.Certificate) (*x509.Certificate, error) {
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	if len(c.Certificate) == 0 {
		return nil, errors.New("the file has no certificate")
	}
	return x509.ParseCertificate(c.Certificate[0])
}

// pageURL is what the user types in to reach the page.
func pageURL(listening string, hosts []string, files config.ListenTLS) string {
	scheme := "http"
	if files.CertFile != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(listening) // it is an address
	if ip := net.ParseIP(host); len(hosts) > 0 && (ip == nil || !ip.IsLoopback()) {
		host = hosts[0]
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

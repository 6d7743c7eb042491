package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/web"
)

// httpServer serves the status page, metrics and health. It outlives
// generations: counters go on, and a reload is no gap. Its methods are for one
// goroutine.
type httpServer struct {
	metrics *web.Metrics
	handler http.Handler
	log     *slog.Logger
	server  *http.Server // nil: it listens nowhere
	at      address      // of server
	// listening is the address itself: its port is chosen if 0 is configured.
	listening string
	cert      atomic.Pointer[tls.Certificate]
	serving   sync.WaitGroup
}

// address is where the server listens, as configured.
type address struct {
	hostPort string // "": nowhere
	tls      bool
}

func newHTTPServer(d *daemon) *httpServer {
	metrics, c := web.NewMetrics(d.Version, d.view).WithProcess(), control{d}
	if d.shared != nil {
		metrics.WithReplica(d.view.Ready, d.shared.Leases)
	}
	return &httpServer{metrics: metrics, log: d.Log.Logger, handler: web.New(web.Options{
		Ledger:    d.view,
		Actions:   c,
		Mailboxes: d.desk,
		Metrics:   metrics,
		Alive:     c.alive,
		Status:    d.view.Status,
		Access:    c.access,
		Password:  c.password,
		Version:   d.Version,
		Log:       d.Log.Logger,
	})}
}

// relisten listens where a configuration says, instead of the present address. If
// that fails, it goes on as before, unless TLS begins or ends at the same address.
func (h *httpServer) relisten(ctx context.Context, cfg *config.Config) error {
	next := address{cfg.Listen, cfg.ListenTLS.CertFile != ""}
	if next.tls {
		if err := h.loadCertificate(cfg.ListenTLS); err != nil {
			return err
		}
	}
	if next == h.at {
		return nil
	}
	if next.hostPort == h.at.hostPort {
		h.shutdown() // the address is taken
	}
	var l net.Listener
	if next.hostPort != "" {
		var err error
		if l, err = listen(ctx, next.hostPort); err != nil {
			return fmt.Errorf("listen: %w; free that address, or set listen to another one", err)
		}
	}
	if next.tls && l != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.cert.Load(), nil }})
	}
	h.shutdown()
	if l == nil {
		return nil
	}
	s := web.NewServer(h.handler, h.log)
	h.server, h.at, h.listening = s, next, l.Addr().String()
	h.serving.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("the status page has stopped", "error", err)
		}
	})
	h.log.Info("status page and metrics", "listen", l.Addr().String())
	return nil
}

// loadCertificate reads the page's certificate, which is used from now on. A new one
// needs no restart: its file is watched with the configuration.
func (h *httpServer) loadCertificate(files config.ListenTLS) error {
	c, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		return fmt.Errorf("listen_tls_cert_file: %w; it has to be a certificate in PEM, and listen_tls_key_file the key that belongs to it", err)
	}
	h.cert.Store(&c)
	return nil
}

// listen listens on an address as it is written. Go itself takes 0.0.0.0 for the
// addresses of IPv6, too, which a firewall for IPv4 does not protect; and [::] fails
// on machines without IPv6.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	network := "tcp"
	switch host, port, _ := net.SplitHostPort(addr); host {
	case "0.0.0.0":
		network = "tcp4"
	case "::":
		addr = ":" + port
	}
	return (&net.ListenConfig{}).Listen(ctx, network, addr)
}

// shutdown stops listening and gives answers under way a moment to finish.
func (h *httpServer) shutdown() {
	if h.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), app.ShutdownTimeout)
	defer cancel()
	if h.server.Shutdown(ctx) != nil {
		_ = h.server.Close()
	}
	h.server, h.at = nil, address{}
}

func (h *httpServer) close() {
	h.shutdown()
	h.serving.Wait()
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/popferry/popferry/cmd/internal/app"
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
	addr    string       // of server, as configured
	serving sync.WaitGroup
}

func newHTTPServer(d *daemon) *httpServer {
	metrics, c := web.NewMetrics(d.Version, d.view).WithProcess(), control{d}
	return &httpServer{metrics: metrics, log: d.Log.Logger, handler: web.New(web.Options{
		Ledger:   d.view,
		Actions:  c,
		Metrics:  metrics,
		Alive:    c.alive,
		Status:   d.view.Status,
		Access:   c.access,
		Password: c.password,
		Version:  d.Version,
		Log:      d.Log.Logger,
	})}
}

// relisten listens on an address instead of the present one; "" listens nowhere.
// If that fails, it goes on as before.
func (h *httpServer) relisten(ctx context.Context, addr string) error {
	if addr == h.addr {
		return nil
	}
	var l net.Listener
	if addr != "" {
		var err error
		if l, err = listen(ctx, addr); err != nil {
			return fmt.Errorf("listen: %w; free that address, or set listen to another one", err)
		}
	}
	h.shutdown()
	if l == nil {
		return nil
	}
	s := web.NewServer(h.handler, h.log)
	h.server, h.addr = s, addr
	h.serving.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error("the status page has stopped", "error", err)
		}
	})
	h.log.Info("status page and metrics", "listen", l.Addr().String())
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
	h.server, h.addr = nil, ""
}

func (h *httpServer) close() {
	h.shutdown()
	h.serving.Wait()
}

package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/popferry/popferry/fetcher/printable"
)

// readLimit bounds how long a request waits for the ledger.
const readLimit = 15 * time.Second

// maxForm bounds the body of a request, in octets.
const maxForm = 16 << 10

// Handler serves the pages. Make it with New.
type Handler struct {
	Options
	mux       http.Handler
	auth      auth
	templates templates

	unknownHost, unknownProxy sync.Once // what is logged once
}

// New returns the pages. It does no I/O.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{Options: o, templates: newTemplates()}
	h.auth = auth{password: o.Password, now: o.Now, sessions: make(map[digest]session)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.GathererFunc(h.gather), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { h.probe(w, "alive", o.Alive()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { h.probe(w, "ready", o.Ledger.Ready(r.Context())) })
	mux.HandleFunc("GET /status.json", h.status)
	mux.HandleFunc("GET /{$}", h.show)
	mux.HandleFunc("GET /style.css", h.asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", h.asset("icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { h.loginPage(w, http.StatusOK, "") })
	mux.HandleFunc("POST /login", h.login)
	mux.HandleFunc("POST /logout", h.logout)
	mux.HandleFunc("POST /poll", h.act("poll", h.poll))
	mux.HandleFunc("POST /retry", h.act("retry", onMessage(o.Actions.Retry)))
	mux.HandleFunc("POST /skip", h.act("skip", onMessage(o.Actions.Skip)))
	// The cookie is SameSite=Strict; this protects requests without it, too.
	h.mux = http.NewCrossOriginProtection().Handler(mux)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	protect(w.Header())
	access := h.Access()
	client, ok := access.client(r)
	if !ok {
		h.unknownProxy.Do(func() {
			h.Log.Warn("a proxy that is not trusted says whom it asks for, so they all share its limit on wrong passwords; this is logged once", "from", client,
				"remedy", "If the proxy is yours, add its address to web.trusted_proxies.")
		})
	}
	r.RemoteAddr = client // r is a copy
	if !access.knows(r.Host) && !isProbe(r) {
		h.misdirected(w, r)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// protect sets the security headers of every answer: nothing is loaded from
// elsewhere, no script runs, no other site frames the page or learns its address.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// probe answers a health probe with 200 and a word, or with 503. The reason is
// logged.
func (h *Handler) probe(w http.ResponseWriter, word string, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		h.Log.Error("a health check failed", "check", word, "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		word = "not " + word
	}
	_, _ = w.Write([]byte(word + "\n"))
}

// gather collects the metrics. What went wrong is for the log alone.
func (h *Handler) gather() ([]*dto.MetricFamily, error) {
	families, err := h.Metrics.Gather()
	if err != nil {
		h.Log.Error("cannot read the metrics", "error", err)
		return nil, errors.New("cannot read the metrics; see the log")
	}
	return families, nil
}

// status answers what `popferry status --json` prints, less what is only for those
// who are logged in.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	visitor := h.visitor(r)
	if visitor.refused() {
		code, words := refusal(w, visitor)
		http.Error(w, words, code)
		return
	}
	v, err := h.Status(r.Context(), visitor.ok)
	if err != nil {
		h.Log.Error("cannot show the status", "error", err)
		http.Error(w, "cannot read the ledger; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(printable.JSONWriter(w))
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client has hung up
}

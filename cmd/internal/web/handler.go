package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readLimit bounds how long an answer waits for the ledger.
const readLimit = 15 * time.Second

// mostForm is how large what a browser sends may be, in octets.
const mostForm = 16 << 10

// Handler serves the pages. Make it with New.
type Handler struct {
	Options
	mux       http.Handler
	gate      gate
	templates templates
}

// New returns the pages. It does no I/O.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{Options: o, templates: newTemplates()}
	h.gate = gate{password: o.Password, now: o.Now, sessions: make(map[digest]session)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { h.health(w, "alive", o.Alive()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { h.health(w, "ready", o.Ledger.Ready(r.Context())) })
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
	// The cookie is SameSite=Strict; this holds for whoever has none, too.
	h.mux = http.NewCrossOriginProtection().Handler(mux)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	protect(w.Header())
	h.mux.ServeHTTP(w, r)
}

// protect sets what browsers are told about all answers: nothing is loaded from
// elsewhere, nothing runs, nobody frames it, and no address leaks.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // what browsers had before frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// health answers a probe: 200 and a word, or 503; the reason is in the log.
func (h *Handler) health(w http.ResponseWriter, word string, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		h.Log.Error("a health check failed", "check", word, "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		word = "not " + word
	}
	_, _ = w.Write([]byte(word + "\n"))
}

// status is `popferry status --json`.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	v, err := h.Status(r.Context())
	if err != nil {
		h.Log.Error("the status cannot be shown", "error", err)
		http.Error(w, "the ledger cannot be read; the log tells why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // whoever asked has gone
}

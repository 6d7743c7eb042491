package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/popferry/popferry/fetcher/printable"
)

// readLimit bounds how long a request waits for the ledger.
const readLimit = 15 * time.Second

// Handler serves the pages. Make it with New.
type Handler struct {
	Options
	*front
	auth      auth
	templates templates
}

// New returns the pages. It does no I/O.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{Options: o, templates: newTemplates(o.Log)}
	h.auth = auth{password: o.Password, now: o.Now, sessions: make(map[digest]session)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.GathererFunc(h.gather), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { h.probe(w, "alive", o.Alive()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { h.probe(w, "ready", o.Ledger.Ready(r.Context())) })
	mux.HandleFunc("GET /status.json", h.status)
	mux.HandleFunc("GET /{$}", h.show)
	mux.HandleFunc("GET /style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", asset("icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { h.loginPage(w, http.StatusOK, "") })
	mux.HandleFunc("POST /login", h.login)
	mux.HandleFunc("POST /logout", h.logout)
	mux.HandleFunc("POST /poll", h.act("poll", h.poll))
	mux.HandleFunc("POST /retry", h.act("retry", onMessage(o.Actions.Retry)))
	mux.HandleFunc("POST /skip", h.act("skip", onMessage(o.Actions.Skip)))
	if o.Mailboxes != nil {
		h.newSetupPages().register(mux)
	}
	h.front = newFront(o.Access, o.Log, mux)
	return h
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

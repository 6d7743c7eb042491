package web

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
)

// internal is the kind of a failure in popferry itself.
const internal = "internal"

// Metrics counts polls and deliveries. Its methods may be called from many
// goroutines.
type Metrics struct {
	registry *prometheus.Registry
	accounts *accountMetrics
	forward  *prometheus.HistogramVec
	errors   *prometheus.CounterVec

	mu       sync.Mutex
	forwards []string // of the last Expect
}

// NewMetrics returns counters at zero. The metrics of the ledger are read from l
// at each scrape.
func NewMetrics(version string, l Ledger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		accounts: newAccountMetrics(),
		forward: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "popferry_forward_duration_seconds",
			Help: "Duration of a transaction with the destination, from the first command to the last reply.", Buckets: []float64{0.01, 0.05, 0.2, 1, 5, 30, 120, 600}}, []string{"forward"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "popferry_forward_errors_total",
			Help: "Failed deliveries by kind, one for each recipient. internal is a failure in popferry itself, one for each message."}, []string{"forward", "kind"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "popferry_build_info",
		Help: "Always 1; the labels have the version.", ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.accounts, m.forward, m.errors, build, &ledgerMetrics{ledger: l})
	return m
}

// WithProcess adds the metrics of the Go runtime and of the process.
func (m *Metrics) WithProcess() *Metrics {
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gather implements prometheus.Gatherer.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }

// Expect creates the counters of these accounts and destinations at zero, and
// deletes those of accounts and destinations that are no longer configured.
func (m *Metrics) Expect(accounts, forwards []string) {
	m.accounts.expect(accounts)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range gone(m.forwards, forwards) {
		of := prometheus.Labels{"forward": f}
		m.forward.DeletePartialMatch(of)
		m.errors.DeletePartialMatch(of)
	}
	m.forwards = slices.Clone(forwards)
	for _, f := range forwards {
		m.forward.WithLabelValues(f)
		for _, k := range kinds() {
			m.errors.WithLabelValues(f, k)
		}
	}
}

// gone returns the names that are in before and not in now.
func gone(before, now []string) (names []string) {
	there := make(map[string]bool, len(now))
	for _, n := range now {
		there[n] = true
	}
	for _, n := range before {
		if !there[n] {
			names = append(names, n)
		}
	}
	return names
}

// Poll counts a poll by its result.
func (m *Metrics) Poll(r fetcher.Result) { m.accounts.poll(r) }

// Transaction records the duration of a transaction.
func (m *Metrics) Transaction(forward string, took time.Duration) {
	m.forward.WithLabelValues(forward).Observe(took.Seconds())
}

// Delivery counts the failures of a delivery.
func (m *Metrics) Delivery(forward string, outcomes []forwarder.Outcome, err error) {
	if err != nil {
		m.errors.WithLabelValues(forward, internal).Inc()
	}
	for _, o := range outcomes {
		if o.Kind != forwarder.Accepted {
			m.errors.WithLabelValues(forward, kindName(o.Kind)).Inc()
		}
	}
}

// kinds are the kinds of popferry_forward_errors_total.
func kinds() []string {
	names := []string{internal}
	for k := forwarder.Refused; k <= forwarder.Impossible; k++ {
		names = append(names, kindName(k))
	}
	return names
}

func kindName(k forwarder.Kind) string {
	if k == forwarder.InDoubt {
		return "in_doubt" // as labels are written
	}
	return k.String()
}

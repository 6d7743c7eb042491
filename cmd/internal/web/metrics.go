package web

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// The outcomes of popferry_polls_total.
const (
	pollOK      = "ok"
	pollFailed  = "failed"
	pollResting = "resting" // not polled: after a failure, or too soon
	pollLeased  = "leased"  // not polled: another process is polling
)

// internal is the kind of a failure in popferry itself.
const internal = "internal"

// Metrics counts polls and deliveries. Its methods may be called from many
// goroutines.
type Metrics struct {
	registry *prometheus.Registry
	polls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	messages *prometheus.CounterVec
	octets   *prometheus.CounterVec
	repeated *prometheus.CounterVec
	forward  *prometheus.HistogramVec
	errors   *prometheus.CounterVec

	mu                 sync.Mutex
	accounts, forwards []string // of the last Expect
}

// NewMetrics returns counters at zero. The metrics of the ledger are read from l
// at each scrape.
func NewMetrics(version string, l Ledger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "popferry_polls_total",
			Help: "Polls by outcome: ok, failed, resting (backing off, or too soon), leased (another process is polling)."}, []string{"account", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "popferry_poll_duration_seconds",
			Help: "Duration of polls.", Buckets: []float64{0.1, 0.5, 2, 10, 60, 300, 1800}}, []string{"account"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "popferry_messages_total",
			Help: "Messages by outcome. A message is counted once for each attempt."}, []string{"account", "outcome"}),
		octets: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "popferry_message_bytes_total",
			Help: "Octets of forwarded messages."}, []string{"account"}),
		repeated: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "popferry_messages_repeated_total",
			Help: "Messages that were sent though they may have arrived before: the ledger's database had a failover, and the destination cannot be asked."}, []string{"account"}),
		forward: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "popferry_forward_duration_seconds",
			Help: "Duration of a transaction with the destination, from the first command to the last reply.", Buckets: []float64{0.01, 0.05, 0.2, 1, 5, 30, 120, 600}}, []string{"forward"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "popferry_forward_errors_total",
			Help: "Failed deliveries by kind, one for each recipient. internal is a failure in popferry itself, one for each message."}, []string{"forward", "kind"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "popferry_build_info",
		Help: "Always 1; the labels have the version.", ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.polls, m.duration, m.messages, m.octets, m.repeated, m.forward, m.errors, build, &ledgerMetrics{ledger: l})
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
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(accounts, forwards)
	m.accounts, m.forwards = slices.Clone(accounts), slices.Clone(forwards)
	for _, a := range accounts {
		for _, o := range []string{pollOK, pollFailed, pollResting, pollLeased} {
			m.polls.WithLabelValues(a, o)
		}
		for _, s := range counted() {
			m.messages.WithLabelValues(a, s.String())
		}
		m.duration.WithLabelValues(a)
		m.octets.WithLabelValues(a)
		m.repeated.WithLabelValues(a)
	}
	for _, f := range forwards {
		m.forward.WithLabelValues(f)
		for _, k := range kinds() {
			m.errors.WithLabelValues(f, k)
		}
	}
}

// forget removes what is no longer configured.
func (m *Metrics) forget(accounts, forwards []string) {
	for _, a := range gone(m.accounts, accounts) {
		of := prometheus.Labels{"account": a}
		m.polls.DeletePartialMatch(of)
		m.messages.DeletePartialMatch(of)
		m.duration.DeletePartialMatch(of)
		m.octets.DeletePartialMatch(of)
		m.repeated.DeletePartialMatch(of)
	}
	for _, f := range gone(m.forwards, forwards) {
		of := prometheus.Labels{"forward": f}
		m.forward.DeletePartialMatch(of)
		m.errors.DeletePartialMatch(of)
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
func (m *Metrics) Poll(r fetcher.Result) {
	m.polls.WithLabelValues(r.Account, outcomeOf(r)).Inc()
	if r.Skip != fetcher.NotSkipped {
		return
	}
	m.duration.WithLabelValues(r.Account).Observe(r.Duration.Seconds())
	m.octets.WithLabelValues(r.Account).Add(float64(r.Octets))
	m.repeated.WithLabelValues(r.Account).Add(float64(r.Repeated))
	for state, n := range map[ledger.State]int{
		ledger.Forwarded: r.Forwarded,
		ledger.Held:      r.Held,
		ledger.Deferred:  r.Deferred - r.Unknown, // Deferred includes Unknown
		ledger.Unknown:   r.Unknown,
		ledger.Skipped:   r.Skipped,
	} {
		m.messages.WithLabelValues(r.Account, state.String()).Add(float64(max(0, n)))
	}
}

func outcomeOf(r fetcher.Result) string {
	switch {
	case r.Err != nil && !errors.Is(r.Err, fetcher.ErrYielded):
		return pollFailed
	case r.Skip == fetcher.Leased:
		return pollLeased
	case r.Skip != fetcher.NotSkipped:
		return pollResting
	default:
		return pollOK
	}
}

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

// counted are the outcomes of popferry_messages_total.
func counted() []ledger.State {
	return []ledger.State{ledger.Forwarded, ledger.Held, ledger.Deferred, ledger.Unknown, ledger.Skipped}
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

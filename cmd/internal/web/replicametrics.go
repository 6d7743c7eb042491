package web

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of a process that shares its ledger with others.
var (
	ready       = prometheus.NewDesc("popferry_ready", "1 if this popferry polls: its ledger answers, and it can connect to servers. Else 0.", nil, nil)
	leases      = prometheus.NewDesc("popferry_leases", "Accounts that this popferry has leased now.", nil, nil)
	leaseLosses = prometheus.NewDesc("popferry_lease_losses_total", "Leases that were lost with a session of the database.", nil, nil)
)

// replicaMetrics is a prometheus.Collector over this process.
type replicaMetrics struct {
	ready  func(context.Context) error
	leases func() (now, lost int)
}

// WithReplica adds what tells this process from those that share its ledger.
func (m *Metrics) WithReplica(ready func(context.Context) error, leases func() (now, lost int)) *Metrics {
	m.registry.MustRegister(&replicaMetrics{ready, leases})
	return m
}

// Describe implements prometheus.Collector.
func (r *replicaMetrics) Describe(c chan<- *prometheus.Desc) {
	c <- ready
	c <- leases
	c <- leaseLosses
}

// Collect implements prometheus.Collector.
func (r *replicaMetrics) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	is := 1.0
	if r.ready(ctx) != nil {
		is = 0
	}
	now, lost := r.leases()
	c <- prometheus.MustNewConstMetric(ready, prometheus.GaugeValue, is)
	c <- prometheus.MustNewConstMetric(leases, prometheus.GaugeValue, float64(now))
	c <- prometheus.MustNewConstMetric(leaseLosses, prometheus.CounterValue, float64(lost))
}

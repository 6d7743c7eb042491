package web

import (
	"errors"
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// The metrics of polls.
var (
	pollsTotal    = prometheus.NewDesc("popferry_polls_total", "Polls by outcome: ok, failed, resting (backing off, or too soon), leased (another process is polling).", []string{"account", "outcome"}, nil)
	pollDuration  = prometheus.NewDesc("popferry_poll_duration_seconds", "Duration of polls.", []string{"account"}, nil)
	messagesTotal = prometheus.NewDesc("popferry_messages_total", "Messages by outcome. A message is counted once for each attempt.", []string{"account", "outcome"}, nil)
	messageBytes  = prometheus.NewDesc("popferry_message_bytes_total", "Octets of forwarded messages.", []string{"account"}, nil)
	repeatedTotal = prometheus.NewDesc("popferry_messages_repeated_total",
		"Messages that were sent though they may have arrived before: the ledger's database had a failover, and the destination cannot be asked.", []string{"account"}, nil)
)

// pollOutcome is an outcome of popferry_polls_total.
type pollOutcome int

const (
	pollOK pollOutcome = iota
	pollFailed
	pollResting // not polled: after a failure, or too soon
	pollLeased  // not polled: another process is polling
	pollOutcomes
)

func (o pollOutcome) String() string {
	return [pollOutcomes]string{"ok", "failed", "resting", "leased"}[o]
}

// counted are the outcomes of popferry_messages_total.
var counted = [...]ledger.State{ledger.Forwarded, ledger.Held, ledger.Deferred, ledger.Unknown, ledger.Skipped}

// pollBuckets are the upper bounds of popferry_poll_duration_seconds.
var pollBuckets = [...]float64{0.1, 0.5, 2, 10, 60, 300, 1800}

// accountCounts are the numbers of one account.
type accountCounts struct {
	polls            [pollOutcomes]uint64
	messages         [len(counted)]uint64
	octets, repeated uint64
	polled           uint64 // how many polls took how long
	within           [len(pollBuckets)]uint64
	seconds          float64
}

// accountMetrics is a prometheus.Collector of what polls count. The library's own
// counters take about 6 kB an account, which ten thousand accounts make felt.
type accountMetrics struct {
	mu     sync.Mutex
	counts map[string]accountCounts
}

func newAccountMetrics() *accountMetrics {
	return &accountMetrics{counts: make(map[string]accountCounts)}
}

// expect has these accounts, and no others.
func (m *accountMetrics) expect(accounts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.counts
	m.counts = make(map[string]accountCounts, len(accounts))
	for _, a := range accounts {
		m.counts[a] = before[a]
	}
}

// poll counts a poll by its result.
func (m *accountMetrics) poll(r fetcher.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts[r.Account]
	c.add(r)
	m.counts[r.Account] = c
}

func (c *accountCounts) add(r fetcher.Result) {
	c.polls[outcomeOf(r)]++
	if r.Skip != fetcher.NotSkipped {
		return
	}
	took := r.Duration.Seconds()
	c.polled++
	c.seconds += took
	for i, bound := range pollBuckets {
		if took <= bound {
			c.within[i]++
		}
	}
	c.octets += uint64(max(0, r.Octets))
	c.repeated += uint64(max(0, r.Repeated))
	// Deferred includes Unknown.
	for i, n := range [len(counted)]int{r.Forwarded, r.Held, r.Deferred - r.Unknown, r.Unknown, r.Skipped} {
		c.messages[i] += uint64(max(0, n))
	}
}

func outcomeOf(r fetcher.Result) pollOutcome {
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

// Describe implements prometheus.Collector.
func (m *accountMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{pollsTotal, pollDuration, messagesTotal, messageBytes, repeatedTotal} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m *accountMetrics) Collect(c chan<- prometheus.Metric) {
	m.mu.Lock()
	all := maps.Clone(m.counts) // polls do not wait for who reads the channel
	m.mu.Unlock()
	for account, n := range all {
		n.collect(c, account)
	}
}

func (c *accountCounts) collect(to chan<- prometheus.Metric, account string) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for o, n := range c.polls {
		counter(pollsTotal, n, account, pollOutcome(o).String())
	}
	for i, s := range counted {
		counter(messagesTotal, c.messages[i], account, s.String())
	}
	counter(messageBytes, c.octets, account)
	counter(repeatedTotal, c.repeated, account)
	buckets := make(map[float64]uint64, len(pollBuckets))
	for i, bound := range pollBuckets {
		buckets[bound] = c.within[i]
	}
	to <- prometheus.MustNewConstHistogram(pollDuration, c.polled, c.seconds, buckets, account)
}

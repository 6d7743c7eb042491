package web

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/popferry/popferry/fetcher/ledger"
)

// scrapeLimit bounds how long a scrape waits for the ledger; Prometheus itself
// waits 10 s by default.
const scrapeLimit = 8 * time.Second

// The metrics that each scrape reads from the ledger.
var (
	messagesInState = prometheus.NewDesc("popferry_messages", "Messages in the ledger by state.", []string{"account", "state"}, nil)
	lastSuccess     = prometheus.NewDesc("popferry_last_success_timestamp_seconds", "Time of the last poll that succeeded; 0 for never.", []string{"account"}, nil)
	tokenEnds       = prometheus.NewDesc("popferry_token_expiry_timestamp_seconds", "Time at which the OAuth2 access token that was used last expires, if that is known: of oauth2, or of a token_command that reports it.", []string{"account"}, nil)
	forwardToken    = prometheus.NewDesc("popferry_forward_token_expiry_timestamp_seconds", "Time at which the OAuth2 access token of a destination expires, if that is known: of oauth2, or of a token_command that reports it.", []string{"forward"}, nil)
	accountUp       = prometheus.NewDesc("popferry_account_up", "1 if the last poll of the account and its destination worked, else 0.", []string{"account"}, nil)
	accountWaits    = prometheus.NewDesc("popferry_account_backoff_end_timestamp_seconds", "Time at which the account is polled again after a failure of its own or of its destination; 0 for no failure.", []string{"account"}, nil)
	forwardUp       = prometheus.NewDesc("popferry_forward_up", "1 if the destination worked when it was last used, else 0.", []string{"forward"}, nil)
	forwardWaits    = prometheus.NewDesc("popferry_forward_backoff_end_timestamp_seconds", "Time at which the destination is tried again after a failure; 0 for no failure.", []string{"forward"}, nil)
	lastPoll        = prometheus.NewDesc("popferry_last_poll_timestamp_seconds", "Time of the last poll; 0 for never.", []string{"account"}, nil)
)

// The metrics of a ledger that is a database.
var (
	timeline  = prometheus.NewDesc("popferry_ledger_timeline", "Timeline of the ledger's database: another one begins at each failover.", nil, nil)
	failovers = prometheus.NewDesc("popferry_ledger_failovers_total", "Failovers of the ledger's database that were noticed: what it had confirmed last may be lost.", nil, nil)
)

// ledgerMetrics is a prometheus.Collector over the ledger.
type ledgerMetrics struct{ ledger Ledger }

// Describe implements prometheus.Collector.
func (l *ledgerMetrics) Describe(c chan<- *prometheus.Desc) {
	c <- messagesInState
	c <- lastSuccess
	c <- lastPoll
	c <- tokenEnds
	c <- forwardToken
	c <- accountUp
	c <- accountWaits
	c <- forwardUp
	c <- forwardWaits
	c <- timeline
	c <- failovers
}

// Collect implements prometheus.Collector. If the ledger cannot be read the
// scrape fails: old numbers would look like new ones.
func (l *ledgerMetrics) Collect(c chan<- prometheus.Metric) {
	if number, n, ok := l.ledger.Timeline(); ok {
		c <- prometheus.MustNewConstMetric(timeline, prometheus.GaugeValue, float64(number))
		c <- prometheus.MustNewConstMetric(failovers, prometheus.CounterValue, float64(n))
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	if !l.ledger.TellsAll(ctx) {
		return
	}
	accounts, err := l.ledger.Accounts(ctx)
	destinations, err2 := l.ledger.Destinations(ctx)
	if err := errors.Join(err, err2); err != nil {
		c <- prometheus.NewInvalidMetric(messagesInState, err)
		return
	}
	for _, d := range destinations {
		isUp(c, forwardUp, forwardWaits, d.Name, d.Cause, d.NotBefore)
		if !d.TokenEnds.IsZero() {
			c <- prometheus.MustNewConstMetric(forwardToken, prometheus.GaugeValue, seconds(d.TokenEnds), d.Name)
		}
	}
	for _, a := range accounts {
		for _, s := range ledger.States() {
			c <- prometheus.MustNewConstMetric(messagesInState, prometheus.GaugeValue, float64(a.Counts[s]), a.Name, s.String())
		}
		isUp(c, accountUp, accountWaits, a.Name, a.Cause, a.NotBefore)
		c <- prometheus.MustNewConstMetric(lastSuccess, prometheus.GaugeValue, seconds(a.LastSuccess), a.Name)
		c <- prometheus.MustNewConstMetric(lastPoll, prometheus.GaugeValue, seconds(a.LastPoll), a.Name)
		if !a.TokenEnds.IsZero() {
			c <- prometheus.MustNewConstMetric(tokenEnds, prometheus.GaugeValue, seconds(a.TokenEnds), a.Name)
		}
	}
}

// isUp sends two metrics of the account or destination of this name: whether it works, and
// if not, until when it waits.
func isUp(c chan<- prometheus.Metric, up, waits *prometheus.Desc, name string, why ledger.Cause, until time.Time) {
	value := 1.0
	if why.Code != "" {
		value = 0
	} else {
		until = time.Time{}
	}
	c <- prometheus.MustNewConstMetric(up, prometheus.GaugeValue, value, name)
	c <- prometheus.MustNewConstMetric(waits, prometheus.GaugeValue, seconds(until), name)
}

// seconds is a time in the form that Prometheus uses.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

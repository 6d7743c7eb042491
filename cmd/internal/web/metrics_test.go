package web_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// TestMetricNames: dashboards and alerts depend on these names.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.metrics.Expect([]string{"isp"}, []string{"main"})
	s.ledger.forward = []web.Destination{{Name: "main", TokenEnds: noon.Add(time.Hour)}, {Name: "other", Cause: ledger.Cause{Code: "network"}, NotBefore: noon}}
	_, body := s.get("/metrics")
	for _, want := range []string{
		fmt.Sprintf(`popferry_forward_token_expiry_timestamp_seconds{forward="main"} %.9g`, float64(noon.Add(time.Hour).Unix())),
		`popferry_forward_up{forward="main"} 1`,
		`popferry_forward_backoff_end_timestamp_seconds{forward="main"} 0`,
		`popferry_forward_up{forward="other"} 0`,
		fmt.Sprintf(`popferry_forward_backoff_end_timestamp_seconds{forward="other"} %.9g`, float64(noon.Unix())),
		`popferry_account_up{account="isp"} `,
		`popferry_polls_total{account="isp",outcome="failed"} 0`,
		`popferry_poll_duration_seconds_count{account="isp"} 0`,
		`popferry_messages_total{account="isp",outcome="forwarded"} 0`,
		`popferry_message_bytes_total{account="isp"} 0`,
		`popferry_messages{account="isp",state="forwarded"} 12`,
		`popferry_messages{account="isp",state="gone"} 0`,
		fmt.Sprintf(`popferry_last_success_timestamp_seconds{account="isp"} %.9g`, float64(noon.Add(-time.Hour).Unix())),
		fmt.Sprintf(`popferry_last_poll_timestamp_seconds{account="isp"} %.9g`, float64(noon.Add(-time.Minute).Unix())),
		`popferry_forward_duration_seconds_count{forward="main"} 0`,
		`popferry_forward_errors_total{forward="main",kind="in_doubt"} 0`,
		`popferry_forward_errors_total{forward="main",kind="internal"} 0`,
		`popferry_build_info{goversion="`,
		`version="1.2.3"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("want %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, `expiry_timestamp_seconds{forward="other"}`) {
		t.Error("a token that is not known has an end")
	}
}

// TestMetricsOfAReplica: of those that share a ledger one tells of all accounts, and
// each of itself.
func TestMetricsOfAReplica(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ledger.others = true
	var away error
	s.metrics.WithReplica(func(context.Context) error { return away }, func() (int, int) { return 3, 7 })
	_, body := s.get("/metrics")
	for want, is := range map[string]bool{"popferry_ready 1\n": true, "popferry_leases 3\n": true, "popferry_lease_losses_total 7\n": true, "popferry_messages{": false, "popferry_last_poll_timestamp_seconds{": false} {
		if strings.Contains(body, want) != is {
			t.Errorf("%q: want %t in\n%s", want, is, body)
		}
	}
	away = errors.New("the database is away")
	if _, body := s.get("/metrics"); !strings.Contains(body, "popferry_ready 0\n") {
		t.Errorf("the ledger does not answer: want popferry_ready 0 in\n%s", body)
	}
}

func TestMetricsCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.metrics.Expect([]string{"isp", "old"}, []string{"main", "other"})
	s.metrics.Poll(fetcher.Result{Account: "isp", Duration: 3 * time.Second,
		Counts: fetcher.Counts{Forwarded: 5, Held: 1, Deferred: 3, Unknown: 2, Skipped: 4, Octets: 1000}})
	s.metrics.Poll(fetcher.Result{Account: "isp", Err: errors.New("no")})
	s.metrics.Poll(fetcher.Result{Account: "isp", Skip: fetcher.Leased})
	s.metrics.Poll(fetcher.Result{Account: "isp", Skip: fetcher.BackingOff})
	s.metrics.Transaction("main", 2*time.Second)
	s.metrics.Delivery("main", []forwarder.Outcome{{Kind: forwarder.Accepted}, {Kind: forwarder.InDoubt}, {Kind: forwarder.Refused}}, nil)
	s.metrics.Delivery("main", nil, errors.New("no"))
	s.metrics.Expect([]string{"isp"}, []string{"main"}) // a reload without the others
	_, body := s.get("/metrics")
	for _, want := range []string{
		`popferry_polls_total{account="isp",outcome="ok"} 1`,
		`popferry_polls_total{account="isp",outcome="failed"} 1`,
		`popferry_polls_total{account="isp",outcome="leased"} 1`,
		`popferry_polls_total{account="isp",outcome="resting"} 1`,
		`popferry_poll_duration_seconds_count{account="isp"} 2`,
		`popferry_messages_total{account="isp",outcome="forwarded"} 5`,
		`popferry_messages_total{account="isp",outcome="held"} 1`,
		`popferry_messages_total{account="isp",outcome="deferred"} 1`,
		`popferry_messages_total{account="isp",outcome="unknown"} 2`,
		`popferry_messages_total{account="isp",outcome="skipped"} 4`,
		`popferry_message_bytes_total{account="isp"} 1000`,
		`popferry_forward_duration_seconds_sum{forward="main"} 2`,
		`popferry_forward_errors_total{forward="main",kind="refused"} 1`,
		`popferry_forward_errors_total{forward="main",kind="in_doubt"} 1`,
		`popferry_forward_errors_total{forward="main",kind="internal"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("want %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, `"old"`) || strings.Contains(body, `"other"`) {
		t.Errorf("want nothing about what is no longer configured in\n%s", body)
	}
}

func TestMetricsLint(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.metrics.WithProcess().Expect([]string{"isp"}, []string{"main"})
	problems, err := testutil.GatherAndLint(s.metrics)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v; want no problems", problems, err)
	}
}

func TestScrapeFailsWithTheLedger(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ledger.err = errBroken
	if res, _ := s.get("/metrics"); res.Code != 500 {
		t.Errorf("got %s, want 500", res.Status)
	}
}

// TestMetricsOfADatabase: its timeline and failovers, and what a failover had sent once
// more. A ledger that is a file has no timeline.
func TestMetricsOfADatabase(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	m := web.NewMetrics("v1", l)
	m.Expect([]string{"isp"}, nil)
	m.Poll(fetcher.Result{Account: "isp", Repeated: 3})
	if n, err := testutil.GatherAndCount(m, "popferry_ledger_timeline", "popferry_ledger_failovers_total"); n != 0 || err != nil {
		t.Errorf("a file has %d metrics of a database, %v; want none", n, err)
	}
	l.timeline, l.failovers = 7, 2
	want := `
# HELP popferry_ledger_failovers_total Failovers of the ledger's database that were noticed: what it had confirmed last may be lost.
# TYPE popferry_ledger_failovers_total counter
popferry_ledger_failovers_total 2
# HELP popferry_ledger_timeline Timeline of the ledger's database: another one begins at each failover.
# TYPE popferry_ledger_timeline gauge
popferry_ledger_timeline 7
# HELP popferry_messages_repeated_total Messages that were sent though they may have arrived before: the ledger's database had a failover, and the destination cannot be asked.
# TYPE popferry_messages_repeated_total counter
popferry_messages_repeated_total{account="isp"} 3
`
	if err := testutil.GatherAndCompare(m, strings.NewReader(want), "popferry_ledger_timeline", "popferry_ledger_failovers_total", "popferry_messages_repeated_total"); err != nil {
		t.Error(err)
	}
}

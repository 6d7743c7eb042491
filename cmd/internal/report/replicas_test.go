package report

import (
	"strings"
	"testing"
	"time"
)

// TestReplicasInStatus: popferry runs if one of those does that share the ledger, and
// status says which one is gone or polls nothing.
func TestReplicasInStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	list := []ReplicaStatus{
		{Name: "a:1", Version: "1.2", Started: ago(time.Hour), LastPing: ago(3 * time.Second), Running: true, Leases: 7},
		{Name: "b:1", Version: "1.3", LastPing: ago(4 * time.Second), Running: true, Problem: "no connection to 5 servers in a row"},
		{Name: "c:1", Version: "1.3", LastPing: ago(5 * time.Minute)},
	}
	var out strings.Builder
	if err := (StatusText{Process: Process{}.With(list), Replicas: list, Now: now}).Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"popferry is running, since", "REPLICA  VERSION  LEASES  LAST PING\na:1      1.2      7       3 s ago\n",
		"b:1: polls nothing: no connection to 5 servers in a row. See to its network", "c:1: not heard of for half a minute",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if p := (Process{}).With(list[2:]); p.Running {
		t.Error("it runs though the only one is gone")
	}
}

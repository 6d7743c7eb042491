package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// TestTextfileCountersContinue: a process that runs once adds to the counters of
// the one before.
func TestTextfileCountersContinue(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "popferry.prom")
	for range 3 {
		s := newSite(t)
		m := web.NewMetrics("1.2.3", s.ledger)
		m.Expect([]string{`odd "name"\`, "isp"}, []string{"main"})
		s.ledger.accounts[0].Counts[ledger.Held] = 1
		m.Poll(fetcher.Result{Account: `odd "name"\`, Duration: time.Second, Counts: fetcher.Counts{Forwarded: 2, Octets: 500}})
		if err := web.WriteTextfile(m, path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(b),
		`popferry_polls_total{account="odd \"name\"\\",outcome="ok"} 3`,
		`popferry_message_bytes_total{account="odd \"name\"\\"} 1500`,
		`popferry_poll_duration_seconds_bucket{account="odd \"name\"\\",le="0.5"} 0`,
		`popferry_poll_duration_seconds_bucket{account="odd \"name\"\\",le="2"} 3`,
		`popferry_poll_duration_seconds_bucket{account="odd \"name\"\\",le="+Inf"} 3`,
		`popferry_poll_duration_seconds_sum{account="odd \"name\"\\"} 3`,
		`popferry_messages{account="isp",state="held"} 1`, // a gauge is not added up
		`version="1.2.3"} 1`)
	if strings.Contains(string(b), "\ngo_") || strings.Contains(string(b), "\nprocess_") {
		t.Error("the file has go_ or process_ metrics, want none: node_exporter has its own")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file is %v, %v; want mode 0644, for node_exporter to read it", info, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder has %v, %v; want the one file", left, err)
	}
}

func TestTextfileOfAnotherProgramStays(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no metrics":      "Dear diary,\n",
		"another program": "# TYPE backup_runs_total counter\nbackup_runs_total 7\n",
	} {
		path := filepath.Join(t.TempDir(), "other.prom")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := web.WriteTextfile(newSite(t).metrics, path); err == nil {
			t.Errorf("%s: no error, want one", name)
		}
		if b, _ := os.ReadFile(path); string(b) != text {
			t.Errorf("%s: the file is %q now, want %q", name, b, text)
		}
	}
}

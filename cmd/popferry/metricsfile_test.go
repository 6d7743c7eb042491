package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMetricsFile: counters go on from run to run.
func TestMetricsFile(t *testing.T) {
	t.Parallel()
	o := newOffice(t, letters(2)...)
	file := filepath.Join(filepath.Dir(o.config), "popferry.prom")
	for range 2 {
		o.do(exitOK, nil, "run", "--once", "--metrics-file", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`popferry_polls_total{account="isp",outcome="ok"} 2`,
		`popferry_messages_total{account="isp",outcome="forwarded"} 2`,
		`popferry_messages{account="isp",state="forwarded"} 2`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("there is no %s in\n%s", want, b)
		}
	}
}

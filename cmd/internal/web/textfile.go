package web

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// WriteTextfile writes the metrics for node_exporter's textfile collector: the
// file is replaced as a whole. A process that runs once counts from zero, so
// what the file has counted before is added; else no counter would ever grow.
func WriteTextfile(m *Metrics, path string) error {
	before, err := readTextfile(path)
	if err != nil {
		return err
	}
	return prometheus.WriteToTextfile(path, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := m.Gather()
		for _, f := range families {
			carryOver(f, before[f.GetName()])
		}
		return families, err
	}))
}

// readTextfile reads what was written before; nothing if there is no such file.
// Another program's file is not overwritten.
func readTextfile(path string) (map[string]*dto.MetricFamily, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(f)
	if err != nil {
		return nil, fmt.Errorf("%s has no metrics in it and is left as it is: %w", path, err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "popferry_") {
			return nil, fmt.Errorf("%s has metrics of another program (%s) and is left as it is", path, name)
		}
	}
	return families, nil
}

// carryOver adds to counters what they were before. A gauge is as it is now.
func carryOver(now, before *dto.MetricFamily) {
	if before == nil || before.GetType() != now.GetType() {
		return
	}
	old := make(map[string]*dto.Metric, len(before.GetMetric()))
	for _, m := range before.GetMetric() {
		old[labels(m)] = m
	}
	for _, m := range now.GetMetric() {
		o := old[labels(m)]
		switch {
		case o == nil:
		case now.GetType() == dto.MetricType_COUNTER:
			sum := m.GetCounter().GetValue() + o.GetCounter().GetValue()
			m.Counter.Value = &sum
		case now.GetType() == dto.MetricType_HISTOGRAM:
			addHistogram(m.GetHistogram(), o.GetHistogram())
		}
	}
}

// addHistogram adds one to another. If a version has other buckets, it begins
// anew.
func addHistogram(now, before *dto.Histogram) {
	counts := make(map[float64]uint64)
	for _, b := range before.GetBucket() {
		counts[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	for _, b := range now.GetBucket() {
		if _, ok := counts[b.GetUpperBound()]; !ok {
			return
		}
	}
	for _, b := range now.GetBucket() {
		sum := b.GetCumulativeCount() + counts[b.GetUpperBound()]
		b.CumulativeCount = &sum
	}
	count, sum := now.GetSampleCount()+before.GetSampleCount(), now.GetSampleSum()+before.GetSampleSum()
	now.SampleCount, now.SampleSum = &count, &sum
}

// labels names a metric within its family. Both sides have them in order.
func labels(m *dto.Metric) string {
	var s strings.Builder
	for _, l := range m.GetLabel() {
		_, _ = fmt.Fprintf(&s, "%s=%q,", l.GetName(), l.GetValue())
	}
	return s.String()
}

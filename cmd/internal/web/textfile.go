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

// WriteTextfile writes the metrics for node_exporter's textfile collector and
// replaces the whole file. A process that runs once counts from zero, so the
// counters in the existing file are added; otherwise no counter would ever grow.
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

// readTextfile reads the existing file, if there is one. A file of another
// program is an error, so that it is not overwritten.
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
		return nil, fmt.Errorf("%s is not a file of metrics, so popferry does not overwrite it: %w", path, err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "popferry_") {
			return nil, fmt.Errorf("%s has metrics of another program (%s), so popferry does not overwrite it", path, name)
		}
	}
	return families, nil
}

// carryOver adds the earlier values to counters and histograms. Gauges stay.
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

// addHistogram adds one histogram to another, unless another version of popferry
// wrote it with other buckets.
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

// labels identifies a metric within its family. Both files sort the labels.
func labels(m *dto.Metric) string {
	var s strings.Builder
	for _, l := range m.GetLabel() {
		_, _ = fmt.Fprintf(&s, "%s=%q,", l.GetName(), l.GetValue())
	}
	return s.String()
}

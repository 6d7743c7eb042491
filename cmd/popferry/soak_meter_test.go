//go:build linux

package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// soakState is what the test itself knows at a sample.
type soakState struct {
	posted, arrived, reloads, refused int
	sourceDown, sinkDown, locked      bool
}

func (s soakState) String() string {
	return fmt.Sprintf("%d messages posted, %d arrived", s.posted, s.arrived)
}

// sample is what the daemon's metrics have at a time.
type sample struct{ goroutines, files, memory float64 }

// soakMeter reads the daemon's metrics.
type soakMeter struct {
	page    string
	begin   time.Time
	samples []sample
	out     *csv.Writer
	test    *testing.T
}

func newSoakMeter(t *testing.T, page string) *soakMeter {
	t.Helper()
	m := &soakMeter{page: page, begin: time.Now(), test: t, out: csv.NewWriter(io.Discard)}
	if *soakSamples != "" {
		file, err := os.Create(*soakSamples)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		m.out = csv.NewWriter(file)
	}
	m.write("seconds", "goroutines", "files", "memory_bytes", "posted", "arrived", "reloads", "refused", "source_down", "sink_down", "locked")
	return m
}

func (m *soakMeter) write(record ...string) {
	_ = m.out.Write(record)
	if m.out.Flush(); m.out.Error() != nil {
		m.test.Fatal(m.out.Error())
	}
}

func (m *soakMeter) read(t *testing.T, path string) string {
	t.Helper()
	res, err := http.Get(m.page + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return string(text)
}

// number is the sum of the metrics under a name.
func number(t *testing.T, text, name string) (sum float64) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (.*)$`).FindAllStringSubmatch(text, -1)
	for _, f := range found {
		n, err := strconv.ParseFloat(strings.TrimSpace(f[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if found == nil {
		t.Fatalf("there is no %s", name)
	}
	return sum
}

// look reads the metrics.
func (m *soakMeter) look() sample {
	text := m.read(m.test, "/metrics")
	return sample{number(m.test, text, "go_goroutines"), number(m.test, text, "process_open_fds"), number(m.test, text, "process_resident_memory_bytes")}
}

// sample reads and keeps the metrics, and looks at the page as a user does.
func (m *soakMeter) sample(s soakState) sample {
	m.read(m.test, "/")
	v := m.look()
	m.samples = append(m.samples, v)
	m.write(fmt.Sprintf("%.1f", time.Since(m.begin).Seconds()), fmt.Sprint(v.goroutines), fmt.Sprint(v.files), fmt.Sprintf("%.0f", v.memory),
		strconv.Itoa(s.posted), strconv.Itoa(s.arrived), strconv.Itoa(s.reloads), strconv.Itoa(s.refused),
		strconv.FormatBool(s.sourceDown), strconv.FormatBool(s.sinkDown), strconv.FormatBool(s.locked))
	return v
}

// grown reports whether there is more than at a quiet time before. The ledger keeps some
// connections for readers.
func (v sample) grown(before sample) bool {
	return v.goroutines > before.goroutines+3 || v.files > before.files+8
}

// check compares two quiet times, and the memory of the last third with that of
// the third before it.
func (m *soakMeter) check(t *testing.T, before, after sample) {
	t.Helper()
	t.Logf("before: %+v, after: %+v", before, after)
	if after.grown(before) {
		t.Errorf("goroutines have grown from %v to %v, open files from %v to %v", before.goroutines, after.goroutines, before.files, after.files)
	}
	third := len(m.samples) / 3
	earlier, later := median(m.samples[third:2*third]), median(m.samples[2*third:])
	if later > 1.25*earlier+16e6 {
		t.Errorf("memory has grown from %.0f to %.0f MB", earlier/1e6, later/1e6)
	}
}

// median is the memory in the middle of samples.
func median(list []sample) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b sample) int { return int(a.memory - b.memory) })
	return list[len(list)/2].memory
}

package progress

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	const mb = 1000_000
	for name, c := range map[string]struct {
		tally fetcher.Snapshot
		rate  float64
		want  string
	}{
		"before the listing": {fetcher.Snapshot{}, 0, "looking for new mail"},
		"at the start":       {fetcher.Snapshot{Messages: 4000, Octets: 400 * mb}, 0, "0 of 4000 messages, 0 B of 400 MB, 0 B/s"},
		"under way":          {fetcher.Snapshot{Messages: 4000, Done: 120, Octets: 400 * mb, Fetched: 12 * mb}, 4.1 * mb, "120 of 4000 messages, 12 MB of 400 MB, 4.1 MB/s, 1 min 35 s left"},
		"nearly there":       {fetcher.Snapshot{Messages: 2, Done: 1, Octets: 2000, Fetched: 1999}, 900, "1 of 2 messages, 2.0 kB of 2.0 kB, 900 B/s, 1 s left"},
		"minutes":            {fetcher.Snapshot{Messages: 9, Octets: 1800 * mb}, mb, "0 of 9 messages, 0 B of 1.8 GB, 1.0 MB/s, 30 min left"},
		"hours":              {fetcher.Snapshot{Messages: 9, Octets: 7500 * mb}, mb, "0 of 9 messages, 0 B of 7.5 GB, 1.0 MB/s, 2 h 5 min left"},
		"it stands still":    {fetcher.Snapshot{Messages: 9, Octets: 7500 * mb}, 0.4, "0 of 9 messages, 0 B of 7.5 GB, 0 B/s"},
		"beyond all reason":  {fetcher.Snapshot{Messages: 9, Octets: 7500 * mb}, 2, "0 of 9 messages, 0 B of 7.5 GB, 2 B/s"},
		"only to be sent":    {fetcher.Snapshot{Messages: 9, Done: 7, Octets: mb, Fetched: mb}, mb, "7 of 9 messages, 1.0 MB of 1.0 MB, 1.0 MB/s"},
		"sizes listed wrong": {fetcher.Snapshot{Messages: 9, Done: 7, Octets: mb, Fetched: 3 * mb}, mb, "7 of 9 messages, 1.0 MB of 1.0 MB, 1.0 MB/s"},
		"no sizes listed":    {fetcher.Snapshot{Messages: 9, Done: 7, Fetched: 3 * mb}, mb, "7 of 9 messages"},
	} {
		if got := newStatus("isp", c.tally, c.rate).String(); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestLabel(t *testing.T) {
	t.Parallel()
	for account, want := range map[string]string{
		"isp":                              "isp",
		"Köln":                             "Köln",
		"a\x1b[31mred\nname":               "a?[31mred name",
		"leopold@mail.example.net.invalid": "leopold@mail.example.ne…",
	} {
		if got := label(account); got != want {
			t.Errorf("%q: %q, want %q", account, got, want)
		}
	}
}

// TestPace: an even rate is right from the first note on, whatever the intervals.
// A change shows, and the rate goes to zero when nothing comes any more.
func TestPace(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p := pace{at: began}
	if p.rate() != 0 {
		t.Errorf("before the first note: got %f, want 0", p.rate())
	}
	now, octets := began, int64(0)
	after := func(gap time.Duration, came int64, low, high float64) {
		t.Helper()
		now, octets = now.Add(gap), octets+came
		p.note(now, octets)
		if r := p.rate(); r < low || r > high {
			t.Errorf("after %s: got %f, want %f to %f", now.Sub(began), r, low, high)
		}
	}
	after(200*time.Millisecond, 200, 999, 1001)
	after(time.Second, 1000, 999, 1001)
	after(30*time.Second, 30_000, 999, 1001)
	after(0, 0, 999, 1001)
	after(time.Second, 100_000, 5_000, 20_000) // one large message is not the new rate yet
	after(time.Minute, 120_000, 1_900, 2_200)
	after(10*time.Second, 0, 700, 800)
	after(2*time.Minute, 0, 0, 1)
}

package web

import (
	"fmt"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// The size of the chart in its own units; the page scales it.
const (
	chartDays   = 30
	chartStep   = 10
	chartBar    = 8
	chartHeight = 48
	leastBar    = 2 // so that a single message is visible beside a thousand
)

// chart shows the outcomes of an account's messages in the last days.
type chart struct {
	Width, Height int
	Bars          []bar
	First         string // the leftmost day
	Words         string // the same in words, for screen readers
}

// bar is one segment of a day's column.
type bar struct {
	X, Y, Width, Height int
	Class               string
	Title               string
}

// newChart draws the days of one account.
func newChart(days []ledger.Day, now time.Time) chart {
	now = now.UTC()
	first := now.AddDate(0, 0, 1-chartDays)
	c := chart{Width: chartDays*chartStep - (chartStep - chartBar), Height: chartHeight, First: first.Format("2 Jan")}
	counts := make(map[string]map[ledger.State]int)
	for _, d := range days {
		if counts[d.Date] == nil {
			counts[d.Date] = make(map[ledger.State]int)
		}
		counts[d.Date][d.Outcome] += d.Count
	}
	most, sum := 0, make(map[ledger.State]int)
	for i := range chartDays {
		n := counts[first.AddDate(0, 0, i).Format(time.DateOnly)]
		most = max(most, n[ledger.Forwarded]+later(n)+n[ledger.Held])
		for s, k := range n {
			sum[s] += k
		}
	}
	for i := range chartDays {
		day := first.AddDate(0, 0, i)
		c.column(i*chartStep, most, day.Format("2 Jan"), counts[day.Format(time.DateOnly)])
	}
	c.Words = fmt.Sprintf("In the last %d days: %s.", chartDays, inWords(sum))
	return c
}

// later counts the messages that are tried again.
func later(n map[ledger.State]int) int { return n[ledger.Deferred] + n[ledger.Unknown] }

func inWords(n map[ledger.State]int) string {
	s := fmt.Sprintf("%d forwarded", n[ledger.Forwarded])
	if k := n[ledger.Held]; k > 0 {
		s += fmt.Sprintf(", %d held", k)
	}
	if k := later(n); k > 0 {
		s += fmt.Sprintf(", %d deferred", k)
	}
	return s
}

// column adds a day: forwarded messages at the bottom, then deferred, then held
// ones.
func (c *chart) column(x, most int, day string, n map[ledger.State]int) {
	y := c.Height
	for _, part := range []struct {
		class string
		n     int
	}{{"forwarded", n[ledger.Forwarded]}, {"later", later(n)}, {"held", n[ledger.Held]}} {
		if part.n == 0 {
			continue
		}
		height := max(leastBar, part.n*(c.Height-2*leastBar)/most)
		y -= height
		c.Bars = append(c.Bars, bar{x, max(0, y), chartBar, height, part.class, day + ": " + inWords(n)})
	}
}

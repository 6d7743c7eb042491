package web

import (
	"fmt"
	"time"
)

// moment is a time as the page shows it.
type moment struct {
	Machine string // RFC 3339; "" for never
	Exact   string
	Words   string // seen from now
}

func newMoment(t, now time.Time) moment {
	if t.IsZero() {
		return moment{Words: "never"}
	}
	m := moment{Machine: t.UTC().Format(time.RFC3339), Exact: t.Local().Format("Mon 2 Jan 2006, 15:04:05 MST")}
	switch d := now.Sub(t); {
	case d >= time.Second:
		m.Words = span(d) + " ago"
	case d <= -time.Second:
		m.Words = "in " + span(-d)
	default:
		m.Words = "now"
	}
	return m
}

// span is a length of time in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	default:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
}

// octets is a size as people read it.
func octets(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

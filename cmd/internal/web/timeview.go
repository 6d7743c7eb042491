package web

import (
	"fmt"
	"time"
)

// timeView is a time as the page shows it.
type timeView struct {
	Machine string // RFC 3339; "" for never
	Exact   string
	Words   string // relative to now
}

func newTimeView(t, now time.Time) timeView {
	if t.IsZero() {
		return timeView{Words: "never"}
	}
	v := timeView{Machine: t.UTC().Format(time.RFC3339), Exact: t.Local().Format("Mon 2 Jan 2006, 15:04:05 MST")}
	switch d := now.Sub(t); {
	case d >= time.Second:
		v.Words = roughly(d) + " ago"
	case d <= -time.Second:
		v.Words = "in " + roughly(-d)
	default:
		v.Words = "now"
	}
	return v
}

// roughly is a duration in its largest unit.
func roughly(d time.Duration) string {
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

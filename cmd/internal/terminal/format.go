package terminal

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// Size formats a number of octets: "82 kB", "1.2 MB".
func Size(octets int64) string { return humanize.Bytes(uint64(max(0, octets))) }

// Span formats a duration, the finer the shorter it is: "12 s", "4 min 20 s",
// "25 min", "3 h 5 min", "12 days".
func Span(d time.Duration) string {
	hours, minutes, seconds := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", seconds)
	case d < 10*time.Minute:
		return fmt.Sprintf("%d min %d s", minutes, seconds)
	case d < time.Hour:
		return fmt.Sprintf("%d min", minutes)
	case d < 100*time.Hour:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
	return fmt.Sprintf("%d days", hours/24)
}

// Count formats a number of things: "1 message", "12 messages".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Time formats a time for a person on this machine, to the second.
func Time(t time.Time) string { return t.Local().Format(time.DateTime) }

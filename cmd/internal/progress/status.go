package progress

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/popferry/popferry/fetcher"
)

// Status is how far a poll has come.
type Status struct {
	Account string
	fetcher.Tally
	Rate float64       // octets a second
	Left time.Duration // until all is fetched, as it looks now; 0: nobody can tell
}

// longestLeft is beyond what a rate tells of the future.
const longestLeft = 99 * time.Hour

func newStatus(account string, t fetcher.Tally, rate float64) Status {
	t.Fetched = min(t.Fetched, t.Octets) // more where sizes are listed wrong, or a message came twice
	s := Status{Account: account, Tally: t, Rate: rate}
	if seconds := float64(t.Octets-t.Fetched) / rate; rate >= 1 && seconds < longestLeft.Seconds() {
		s.Left = time.Duration(math.Ceil(seconds)) * time.Second
	}
	return s
}

// String is the status in words, without the account.
func (s Status) String() string {
	if s.Messages == 0 {
		return "looking for new mail"
	}
	parts := []string{fmt.Sprintf("%d of %d messages", s.Done, s.Messages)}
	if s.Octets > 0 {
		parts = append(parts, size(s.Fetched)+" of "+size(s.Octets), size(int64(s.Rate))+"/s")
	}
	if s.Left > 0 {
		parts = append(parts, span(s.Left)+" left")
	}
	return strings.Join(parts, ", ")
}

// size is a number of octets as people read it.
func size(octets int64) string { return humanize.Bytes(uint64(max(0, octets))) }

// span is a time as people read it, finer the shorter it is.
func span(d time.Duration) string {
	hours, minutes, seconds := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", seconds)
	case d < 10*time.Minute:
		return fmt.Sprintf("%d min %d s", minutes, seconds)
	case d < time.Hour:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d h %d min", hours, minutes)
}

// label is an account's name, made safe and short enough for a terminal.
func label(account string) string {
	const most = 24
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, account))
	if len(r) > most {
		r = append(r[:most-1], '…')
	}
	return string(r)
}

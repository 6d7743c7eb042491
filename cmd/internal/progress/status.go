package progress

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher"
)

// Status is the progress of a poll.
type Status struct {
	Account string
	fetcher.Snapshot
	Rate float64       // octets a second
	Left time.Duration // estimated time until everything is fetched; 0: unknown
}

// longestLeft bounds the estimate: a longer one would mean nothing.
const longestLeft = 99 * time.Hour

func newStatus(account string, t fetcher.Snapshot, rate float64) Status {
	t.Fetched = min(t.Fetched, t.Octets) // it is more if sizes are listed wrong, or a message came twice
	s := Status{Account: account, Snapshot: t, Rate: rate}
	if seconds := float64(t.Octets-t.Fetched) / rate; rate >= 1 && seconds < longestLeft.Seconds() {
		s.Left = time.Duration(math.Ceil(seconds)) * time.Second
	}
	return s
}

// String returns the status in words, without the account.
func (s Status) String() string {
	if s.Messages == 0 {
		return "looking for new mail"
	}
	parts := []string{fmt.Sprintf("%d of %d messages", s.Done, s.Messages)}
	if s.Octets > 0 {
		parts = append(parts, terminal.Size(s.Fetched)+" of "+terminal.Size(s.Octets), terminal.Size(int64(s.Rate))+"/s")
	}
	if s.Left > 0 {
		parts = append(parts, terminal.Span(s.Left)+" left")
	}
	return strings.Join(parts, ", ")
}

// label is an account's name, safe and short enough for a bar.
func label(account string) string { return terminal.Printable(account, 24) }

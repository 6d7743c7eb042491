package ledger

import "time"

// LongestWait is the longest back-off that popferry sets.
const LongestWait = 24 * time.Hour

// Waiting reports whether a back-off that ends at until is not over yet. One
// that is longer than LongestWait was noted under a wrong clock, and does not
// count.
func Waiting(now, until time.Time) bool {
	return now.Before(until) && !until.After(now.Add(LongestWait))
}

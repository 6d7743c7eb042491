package ledger

import "time"

// Destination is what is remembered of a destination, so that a restart keeps
// its back-off. Times are zero where nothing has happened yet.
type Destination struct {
	Name     string // as in the configuration
	Failures int    // consecutive
	// NotBefore is when it may be tried again.
	NotBefore   time.Time
	Cause       Cause // of the last failure, zero after a success
	LastSuccess time.Time
}

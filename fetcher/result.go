package fetcher

import (
	"fmt"
	"time"
)

// Result is what came of one poll.
type Result struct {
	Account string
	Counts
	// OnServer is how many messages were left there; -1: no listing was had.
	OnServer int
	// Waiting are messages that were not due yet.
	Waiting  int
	Duration time.Duration
	// Notice is what a person should know though the poll did not fail.
	Notice error
	// Err is why the poll failed, nil if it did not.
	Err error
	// Rest, if set, is why there was no poll at all.
	Rest Rest
	// Until is when the rest ends, if that is known.
	Until time.Time
}

// Rest is a reason not to poll.
type Rest uint8

// The reasons. Only BackingOff means that there is something to try again.
const (
	Polled Rest = iota
	// Leased: another process is polling the account.
	Leased
	// BackingOff: the account or its destination failed before.
	BackingOff
	// TooSoon: min_interval or the server's LOGIN-DELAY is not over.
	TooSoon
)

// Counts are the outcomes of one poll.
type Counts struct {
	Forwarded int
	Held      int
	Deferred  int // to be tried again, those of unknown outcome included
	Skipped   int
	Unknown   int
	Octets    int64 // forwarded
}

// TryAgain tells whether something of the account has to be tried again.
func (r Result) TryAgain() bool {
	return r.Err != nil || r.Rest == BackingOff || r.Deferred+r.Waiting > 0
}

// Summary is the poll in one line without an error.
func (r Result) Summary() string {
	return fmt.Sprintf("%s: %d forwarded, %d held, %d deferred, %d skipped, %d on server, %.1f s",
		r.Account, r.Forwarded, r.Held, r.Deferred, r.Skipped, max(0, r.OnServer), r.Duration.Seconds())
}

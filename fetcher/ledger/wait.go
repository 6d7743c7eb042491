package ledger

import "time"

// Now is the time for what is written to a store and compared with it: that of the
// database where many processes share it (the store has a method Now), else this
// machine's.
func Now(s Store) time.Time {
	if shared, ok := s.(interface{ Now() time.Time }); ok {
		return shared.Now()
	}
	return time.Now()
}

// LongestWait is the longest back-off that popferry sets.
const LongestWait = 24 * time.Hour

// Waiting reports whether a back-off that ends at until is not over yet. One
// that is longer than LongestWait was noted under a wrong clock, and does not
// count.
func Waiting(now, until time.Time) bool {
	return now.Before(until) && !until.After(now.Add(LongestWait))
}

// earliest is before the first popferry: a time before it was noted under a wrong
// clock.
const earliest = 1577836800 // 2020-01-01 in UTC, Unix time

// Believable reports whether a time that was noted as that of an event can be
// right.
func Believable(noted, now time.Time) bool {
	return noted.Unix() >= earliest && !noted.After(now)
}

// Past returns a time that was noted as that of an event, or zero if it is in the
// future: then nobody knows when that was.
func Past(noted, now time.Time) time.Time {
	if noted.After(now) {
		return time.Time{}
	}
	return noted
}

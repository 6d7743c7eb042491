package fetcher

import "time"

// The waits between tries. RFC 5321 4.5.4.1 asks for at least 30 minutes
// between retries as a rule; greylisting servers accept after some minutes, so
// the first retries come sooner.
const (
	firstWait   = time.Minute
	longestWait = 6 * time.Hour
	// patience is after how long a message is tried once a day only.
	patience  = 5 * 24 * time.Hour
	rarelyGap = 24 * time.Hour
	// loginWait is the first wait after refused credentials, doubling to
	// rarelyGap: a server that is asked too often locks the account.
	loginWait = 10 * time.Minute
	// longestPollWait ends the doubling of firstWait after other failed polls.
	longestPollWait = time.Hour
)

// doubling is first·2^(n-1), at most longest.
func doubling(first, longest time.Duration, n int) time.Duration {
	d := first
	for range n - 1 {
		if d *= 2; d >= longest {
			return longest
		}
	}
	return d
}

// attempt is one try to send a message.
type attempt struct {
	Now    time.Time
	First  time.Time // of the first try
	Number int       // 1 for the first
}

// next is when a message that was deferred in this attempt is due again.
func (a attempt) next() time.Time {
	if a.Now.Sub(a.First) >= patience {
		return a.Now.Add(rarelyGap)
	}
	return a.Now.Add(doubling(firstWait, longestWait, a.Number))
}

// waits tells whether a back-off is not over yet. One that is longer than any
// that is given was noted under a clock that was wrong.
func waits(now, until time.Time) bool {
	return now.Before(until) && !until.After(now.Add(rarelyGap))
}

package outcome

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// The waits between tries. RFC 5321 4.5.4.1 asks for at least 30 minutes between
// retries as a rule; greylisting servers accept after some minutes, so the first
// retries come sooner.
const (
	firstWait   = time.Minute
	longestWait = 6 * time.Hour
	// retryHorizon is the age from which a message is tried only once in every
	// slowRetryInterval.
	retryHorizon      = 5 * 24 * time.Hour
	slowRetryInterval = ledger.LongestWait
	// retryNumber is how many tries fit into retryHorizon. They tell the age of a
	// message whose first one was noted under a wrong clock.
	retryNumber = 28
	// loginWait is the first wait after refused credentials, doubling to
	// slowRetryInterval: servers lock accounts that try too often.
	loginWait = 10 * time.Minute
	// longestPollWait ends the doubling of firstWait after other failed polls.
	longestPollWait = time.Hour
)

// exponential is first·2^(n-1), at most longest.
func exponential(first, longest time.Duration, n int) time.Duration {
	d := first
	for range n - 1 {
		if d *= 2; d >= longest {
			return longest
		}
	}
	return d
}

// PollBackoff is how long an account or a destination waits after so many
// failures in a row: 1 minute to 1 hour.
func PollBackoff(failures int) time.Duration {
	return exponential(firstWait, longestPollWait, failures)
}

// LoginBackoff is how long an account waits after its credentials were refused
// so many times in a row: 10 minutes to 24 hours.
func LoginBackoff(refused int) time.Duration {
	return exponential(loginWait, slowRetryInterval, refused)
}

// RouteBackoff is how long a destination waits after so many failures in a row, the
// last of which asked for that time: at most a day, whatever it asks for.
func RouteBackoff(failures int, asked time.Duration) time.Duration {
	return max(PollBackoff(failures), min(asked, ledger.LongestWait))
}

// throttleWaits are the waits before a message is sent again that a destination did
// not take because it has too many connections or gets mail too fast.
var throttleWaits = [...]time.Duration{time.Second, 4 * time.Second, 15 * time.Second}

// longestThrottle is how long a poll waits in its middle for a destination that asks
// for it: the mailbox's server has a patience of its own. One that asks for more gets
// nothing more from this poll.
const longestThrottle = 2 * time.Minute

// ThrottleWait is how long to wait before a message is sent again that the
// destination did not take for now, so many times already, and asked for that time.
// ok is false if it is not sent again in this poll.
func ThrottleWait(times int, asked time.Duration) (wait time.Duration, ok bool) {
	if times >= len(throttleWaits) || asked > longestThrottle {
		return 0, false
	}
	return max(throttleWaits[times], asked), true
}

// Attempt is one try to send a message.
type Attempt struct {
	Now    time.Time
	First  time.Time // of the first try
	Number int       // 1 for the first
	// OthersPassed reports whether the destination has accepted other messages
	// since the last try: only then does a failure say something about this one.
	OthersPassed bool
}

// Next is when a message that is deferred in this attempt is due again: after 1
// minute, doubling to 6 hours, and from the fifth day on once a day.
func (a Attempt) Next() time.Time {
	if a.old() {
		return a.Now.Add(slowRetryInterval)
	}
	return a.Now.Add(exponential(firstWait, longestWait, a.Number))
}

// Late reports whether a message has been tried in vain for so long, five days, that it
// is tried only once a day. One that was never sent, because it could not be fetched or
// its filter fails, has been tried since it was first seen.
func Late(rec *ledger.Record, now time.Time) bool {
	first := rec.FirstAttempt
	if first.IsZero() {
		first = rec.FirstSeen
	}
	return rec.Attempts > 0 && Attempt{Now: now, First: first, Number: rec.Attempts}.old()
}

// old reports whether a message has been tried for so long that it need not be
// tried often.
func (a Attempt) old() bool {
	if !ledger.Believable(a.First, a.Now) {
		return a.Number > retryNumber
	}
	return a.Now.Sub(a.First) >= retryHorizon
}

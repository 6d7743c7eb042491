package fetcher

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Result is the result of one poll.
type Result struct {
	Account string
	Counts
	// OnServer is how many messages were left there; -1: there was no listing.
	OnServer int
	// Waiting are messages that were not due yet.
	Waiting int
	// Postponed are messages that later polls fetch: there were more than this one may
	// (Policy.MaxMessages). Nothing of them failed.
	Postponed int
	// Repeated are messages that were sent though they may have arrived before: the
	// ledger's database had a failover, and the destination cannot be asked.
	Repeated int
	Duration time.Duration
	// Notice is what the user should know though the poll did not fail.
	Notice error
	// Err is why the poll failed, nil if it did not.
	Err error
	// Skip, if set, is why there was no poll at all.
	Skip SkipReason
	// Until is when that reason ends, if it is known.
	Until time.Time
	// Began is when the account's last poll began, this one or another, if that is why
	// it is not due now; zero: it may still be due.
	Began time.Time
}

// SkipReason is a reason not to poll.
type SkipReason uint8

// The reasons. Only BackingOff and Sick mean that there is something to try again.
const (
	NotSkipped SkipReason = iota
	// Leased: another process is polling the account.
	Leased
	// BackingOff: the account or its destination failed before.
	BackingOff
	// TooSoon: min_interval or the server's LOGIN-DELAY is not over.
	TooSoon
	// Crowded: other processes have all sessions with its server, or with its
	// destination, that there may be. The account is still due.
	Crowded
	// Sick: this process could not connect to one server after the other, while others
	// can.
	Sick
	// NotDue: another process has polled the account meanwhile.
	NotDue
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

// After is the result of a poll that goes on where an earlier one yielded: of both
// together.
func (r Result) After(earlier Result) Result {
	if r.Skip != NotSkipped { // the rest has to wait
		earlier.Skip, earlier.Until, earlier.Began = r.Skip, r.Until, r.Began
		return earlier
	}
	r.Forwarded += earlier.Forwarded
	r.Held += earlier.Held
	r.Deferred += earlier.Deferred
	r.Skipped += earlier.Skipped
	r.Unknown += earlier.Unknown
	r.Octets += earlier.Octets
	r.Repeated += earlier.Repeated
	r.Duration += earlier.Duration
	if r.OnServer < 0 {
		r.OnServer = earlier.OnServer
	}
	return r
}

// TryAgain reports whether something of the account has to be tried again.
func (r Result) TryAgain() bool {
	return r.Err != nil || r.Skip == BackingOff || r.Skip == Sick || r.Deferred+r.Waiting > 0
}

// Summary is the poll in one line, without its error.
func (r Result) Summary() string {
	waiting := ""
	if r.Postponed > 0 {
		waiting = fmt.Sprintf(", %d waiting", r.Postponed)
	}
	return fmt.Sprintf("%s: %d forwarded, %d held, %d deferred, %d skipped%s, %d on server, %.1f s",
		r.Account, r.Forwarded, r.Held, r.Deferred, r.Skipped, waiting, max(0, r.OnServer), r.Duration.Seconds())
}

// ErrBeforeFirstRun: the message was there before the first run, and
// first_run is "new".
var ErrBeforeFirstRun = errors.New("it was in the mailbox before the first run (first_run: new)")

// ErrTooOld: the message was there before the first run, and is older than
// first_run says.
var ErrTooOld = errors.New("it was in the mailbox before the first run, and is older than first_run says")

// ErrAdopted: the user said that the messages on the server count as seen.
var ErrAdopted = errors.New("it counts as seen since popferry adopt")

// DroppedError: the account's filter said that the message is not to be sent.
type DroppedError struct{ Reason string }

func (e *DroppedError) Error() string {
	if e.Reason == "" {
		return "the account's filter dropped it"
	}
	return "the account's filter dropped it: " + e.Reason
}

// TooLargeError: the message is larger than the account allows.
type TooLargeError struct {
	Size, Limit int64 // octets
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%d octets are more than max_message_size, %d", e.Size, e.Limit)
}

// ErrDeleIgnored: the server confirms deletions and does not delete.
var ErrDeleIgnored = errors.New("messages that the server said it had deleted are still there: it ignores DELE")

// UnconfirmedAuthError: the credentials were refused, but they worked before and
// may still be right.
type UnconfirmedAuthError struct{ Err error }

func (e *UnconfirmedAuthError) Error() string { return e.Err.Error() }
func (e *UnconfirmedAuthError) Unwrap() error { return e.Err }

// shown quotes a UID's raw octets where a log line would not show them as they are.
func shown(uid string) string {
	q := strconv.QuoteToASCII(uid)
	if q[1:len(q)-1] == uid {
		return uid
	}
	return q
}

// UnlistedError: UIDL left out messages that LIST has.
type UnlistedError struct{ Messages int }

func (e *UnlistedError) Error() string {
	return fmt.Sprintf("UIDL left out %d messages that LIST has; without their UIDs they cannot be fetched", e.Messages)
}

// PanicError is a panic in a poll: a bug in popferry that must not reach other
// accounts.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("a bug in popferry: %v", e.Value) }

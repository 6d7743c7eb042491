package fetcher

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
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

// Progress is how far the poll of an account has come. Observers read it when they
// like; the poll only counts and never waits for them. The zero value is ready to
// use, and a nil one counts nothing.
type Progress struct {
	messages, done, octets, fetched atomic.Int64
}

// Snapshot is a reading of a Progress. While Messages is 0, nothing to fetch is
// known yet.
type Snapshot struct {
	Messages, Done  int   // due, and dealt with, well or not
	Octets, Fetched int64 // as the server lists them, which may be wrong, and as they came
}

// Snapshot reads the counts, each by itself.
func (p *Progress) Snapshot() Snapshot {
	return Snapshot{
		Messages: int(p.messages.Load()), Done: int(p.done.Load()),
		Octets: p.octets.Load(), Fetched: p.fetched.Load(),
	}
}

// expect says which messages are still to come; all others are done.
func (p *Progress) expect(due []identify.Candidate) {
	if p == nil {
		return
	}
	octets := p.fetched.Load()
	for _, c := range due {
		if c.Known.CopyFile == "" { // else a copy is at hand
			octets += max(0, c.Size)
		}
	}
	p.octets.Store(octets)
	p.messages.Store(p.done.Load() + int64(len(due)))
}

// received counts octets of messages.
func (p *Progress) received(octets int) {
	if p != nil {
		p.fetched.Add(int64(octets))
	}
}

// finished counts a message.
func (p *Progress) finished() {
	if p != nil {
		p.done.Add(1)
	}
}

package fetcher

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrBeforeFirstRun: the message was there before the first run, and
// first_run is "new".
var ErrBeforeFirstRun = errors.New("it was in the mailbox before the first run (first_run: new)")

// ErrAdopted: a person said that what was on the server counts as seen.
var ErrAdopted = errors.New("it counts as seen since popferry adopt")

// TooLargeError: the message is larger than the account allows.
type TooLargeError struct {
	Size, Limit int64 // octets
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%d octets are more than max_message_size, %d", e.Size, e.Limit)
}

// ErrDeleIgnored: the server confirms deletions and does not delete.
var ErrDeleIgnored = errors.New("messages that the server said it had deleted are still there: it ignores DELE")

// DoubtedLoginError: the login was refused, but it worked before.
type DoubtedLoginError struct{ Err error }

func (e *DoubtedLoginError) Error() string { return e.Err.Error() }
func (e *DoubtedLoginError) Unwrap() error { return e.Err }

// IncompleteError: a message did not come whole.
type IncompleteError struct {
	Got, Listed int64 // octets; Listed -1: not listed
	Err         error // what ended it, nil if its terminator came
}

func (e *IncompleteError) Error() string {
	s := fmt.Sprintf("the message did not come whole: %d octets", e.Got)
	if e.Listed >= 0 {
		s += fmt.Sprintf(" of %d listed", e.Listed)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *IncompleteError) Unwrap() error { return e.Err }

// shown writes a UID's raw octets so that a line of log stays one line.
func shown(uid string) string {
	q := strconv.QuoteToASCII(uid)
	if q[1:len(q)-1] == uid {
		return uid
	}
	return q
}

package mailbox

import (
	"errors"
	"fmt"
	"os"

	"github.com/popferry/popferry/fetcher/pop3"
)

// IncompleteError: a message did not arrive whole.
type IncompleteError struct {
	Got, Listed int64 // octets; Listed -1: not listed
	Err         error // what ended it, nil if its terminator came
}

func (e *IncompleteError) Error() string {
	s := fmt.Sprintf("the message did not arrive whole: %d octets", e.Got)
	if e.Listed >= 0 {
		s += fmt.Sprintf(" of %d listed", e.Listed)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *IncompleteError) Unwrap() error { return e.Err }

// MaybeNetwork reports whether a bad network could look the same. A message that
// ends too early or never, or behind which the session is out of sync, shows by
// itself that it or its server is at fault.
func (e *IncompleteError) MaybeNetwork() bool {
	var violation *pop3.ProtocolError
	return e.Err != nil && !errors.Is(e.Err, errEndless) && !errors.As(e.Err, &violation)
}

// errEndless: a body has more octets than any listed size explains.
var errEndless = errors.New("it goes on beyond max_message_size, though it was listed as smaller")

// PipelineError is a session that broke while several commands were outstanding,
// at a server that offers PIPELINING (RFC 2449 6.6). It says nothing against a
// message.
type PipelineError struct{ Err error }

func (e *PipelineError) Error() string {
	return "with several commands outstanding: " + e.Err.Error()
}

func (e *PipelineError) Unwrap() error { return e.Err }

// Proves reports whether the break shows by itself that the server cannot do
// pipelining, rather than that a connection was cut.
func (e *PipelineError) Proves() bool {
	var nonsense *pop3.ProtocolError
	return errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.As(e.Err, &nonsense)
}

// LeftOutError is a session that ended at an optional command. It says nothing
// against a message: another session, which does without the command, may do
// better.
type LeftOutError struct {
	Command string
	Err     error
}

func (e *LeftOutError) Error() string {
	return fmt.Sprintf("%s ended the session; the next one does without it: %v", e.Command, e.Err)
}

func (e *LeftOutError) Unwrap() error { return e.Err }

// HeaderError is a session that ended when a message's header was asked for.
type HeaderError struct {
	Entry pop3.Entry
	Err   error
}

func (e *HeaderError) Error() string { return e.Err.Error() }
func (e *HeaderError) Unwrap() error { return e.Err }

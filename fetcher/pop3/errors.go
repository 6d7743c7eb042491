package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

var (
	// ErrNoUIDL: the server has no UIDL (RFC 1939 section 7).
	ErrNoUIDL = errors.New("the server has no unique message ids (no UIDL)")
	// errBodyOpen: a command was called while a Body had not been read to its
	// end. The session is as it was.
	errBodyOpen = errors.New("the body of a message has not been read to its end")
	// errTooSlow: a body or listing arrived more slowly than Options.MinRate.
	errTooSlow = errors.New("the server sends too slowly")
	// errTooLong: a message to be skipped has more octets than the limit.
	errTooLong = errors.New("the message is too long")
	// errLine: an argument contains CR, LF or NUL. Nothing was sent.
	errLine = errors.New("a line break or NUL cannot be sent")
	// ErrMethod: the login method cannot be used, or the server does not know it.
	ErrMethod = errors.New("login method cannot be used")
)

// Error is a refusal, a -ERR reply. The session goes on, except after a greeting.
type Error struct {
	Command string // the verb, with the message's number where there is one
	Code    string // response code (RFC 2449 section 8) in upper case, or ""
	Text    string // what the server says, without the code, as it may be shown

	said *string // the same as the server says it; nil: no secret is hidden in Text
}

// refusal is the error for a -ERR reply. What it means is read in the server's own
// words: a password may be one of them.
func (c *Client) refusal(command, code, text string) *Error {
	e := &Error{Command: command, Code: code, Text: c.shown(text)}
	if c.mask.Text(text) != text {
		e.said = &text
	}
	return e
}

// words are the server's own.
func (e *Error) words() string {
	if e.said != nil {
		return *e.said
	}
	return e.Text
}

// Error gives the command and the server's words.
func (e *Error) Error() string {
	s := e.Command + ": the server says: -ERR"
	if e.Code != "" {
		s += " [" + e.Code + "]"
	}
	if e.Text != "" {
		s += " " + e.Text
	}
	return s
}

// ProtocolError is a reply that violates the protocol, or one that was not asked
// for. It breaks the session.
type ProtocolError struct {
	Command string // that was in progress
	Text    string // what is wrong, with the beginning of the reply
	Budget  Budget // what the reply has exceeded; "" for anything else
}

// Error gives the command and what is wrong with its reply.
func (e *ProtocolError) Error() string {
	return e.Command + ": protocol violation: " + e.Text
}

// OverBudget reports whether an error is a reply that exceeded its budget. Asking
// again would only read it once more.
func OverBudget(err error) bool {
	var e *ProtocolError
	return errors.As(err, &e) && e.Budget != ""
}

// outOfSync is the error for octets that came before the command was sent.
func (c *Client) outOfSync(name string) error {
	b, _ := c.in.Peek(min(c.unsolicited(), 200)) // no more than is buffered: no error
	return &ProtocolError{Command: name, Text: "out of sync, these octets answer no command: " + c.quote(b)}
}

// connError is the error of a read or write that failed. Whichever way the server
// ended the connection, it is an io.ErrUnexpectedEOF: a clean end, one without
// TLS's close_notify, and a reset mean the same in POP3.
func connError(name string, err error) error {
	end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case end && errors.Unwrap(err) == nil:
		return fmt.Errorf("%s: the server closed the connection: %w", name, io.ErrUnexpectedEOF)
	case end, errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, io.ErrClosedPipe):
		return fmt.Errorf("%s: the server closed the connection: %w (%w)", name, io.ErrUnexpectedEOF, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// withLimit adds to a timeout which limit it came from.
func withLimit(err error, limit string) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s: %w", limit, os.ErrDeadlineExceeded)
	}
	return err
}

// contextError is why a session ended with its context.
func contextError(ctx context.Context) error {
	return fmt.Errorf("POP3 session aborted: %w", context.Cause(ctx))
}

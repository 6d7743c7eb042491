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
	// ErrNoUIDL: the server does not have UIDL (RFC 1939 section 7).
	ErrNoUIDL = errors.New("the server does not give messages unique ids (no UIDL)")
	// ErrBodyOpen: a command was called while a Body had not been read to its
	// end. The session is as it was.
	ErrBodyOpen = errors.New("a message's body has not been read to its end")
	// ErrTooSlow: a body or listing came in at less than Options.MinRate.
	ErrTooSlow = errors.New("the server sends too slowly")
	// ErrTooLong: a message that is read away goes on beyond the given bound.
	ErrTooLong = errors.New("the message goes on for too long")
	// ErrLine: an argument contains CR, LF or NUL. Nothing was sent.
	ErrLine = errors.New("a line break or NUL cannot be sent")
	// ErrMethod: the login method cannot be used in this session. Nothing was
	// sent.
	ErrMethod = errors.New("login method cannot be used")
)

// Error is a refusal, a -ERR reply. The session goes on, but for a greeting.
type Error struct {
	Command string // the verb, with the message's number where there is one
	Code    string // response code (RFC 2449 section 8) in upper case, or ""
	Text    string // what the server says, without the code
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

// ProtocolError is an answer that is none, or one that nobody asked for. It
// breaks the session.
type ProtocolError struct {
	Command string // what was being done when it came
	Text    string // what is wrong, with the beginning of what came
}

// Error gives the command and what is wrong with its answer.
func (e *ProtocolError) Error() string {
	return e.Command + ": the server does not keep to the protocol: " + e.Text
}

// outOfSync is the error for octets that came before the command.
func (c *Client) outOfSync(name string) error {
	b, _ := c.in.Peek(min(c.unsolicited(), 200)) // no more than is there: no error
	return &ProtocolError{Command: name, Text: "out of step, these octets answer nothing: " + c.quote(b)}
}

// connError is the error of a read or write that failed. However the server
// ended the connection, it is an io.ErrUnexpectedEOF: a clean end, one
// without TLS's close_notify, and a reset mean the same in POP3.
func connError(name string, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the server closed the connection: %w", name, io.ErrUnexpectedEOF)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, io.ErrClosedPipe):
		return fmt.Errorf("%s: the server closed the connection: %w (%w)", name, io.ErrUnexpectedEOF, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// named says which limit a deadline came from.
func withLimit(err error, limit string) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s: %w", limit, os.ErrDeadlineExceeded)
	}
	return err
}

// contextError is why a session ended with its context.
func contextError(ctx context.Context) error {
	return fmt.Errorf("POP3 session given up: %w", context.Cause(ctx))
}

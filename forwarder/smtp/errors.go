package smtp

import (
	"errors"
	"fmt"

	"github.com/popferry/popferry/forwarder"
)

var (
	// ErrClosed is returned by Delivery.Wait and Check after Close.
	ErrClosed = errors.New("the pool is closed")
	// ErrNoSTARTTLS is the cause of an unusable session whose server does not
	// offer the STARTTLS that Options demand.
	ErrNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	// ErrNoAuth is the cause of an unusable session whose server does not offer
	// a wanted AUTH method.
	ErrNoAuth = errors.New("the server does not offer a usable AUTH method")
	// ErrProtocol is the cause of an outcome where the server said what is no
	// SMTP.
	ErrProtocol = errors.New("the server does not keep to the protocol")
)

// errUntouched tells that a session ended before it came to this message:
// while it was idle, or at a message before.
var errUntouched = errors.New("the connection ended at another message")

// errDone is for a caller that waits for a delivery after its Done.
var errDone = errors.New("the delivery is done already")

// Error tells why no session could be had, or what a probe was refused.
type Error struct {
	Stage    forwarder.Stage        // from StageDial to StageAuth, of a probe to StageRcpt
	Code     int                    // the server's reply, 0 if there was none
	Enhanced forwarder.EnhancedCode // if the reply had one
	Text     string                 // the reply's text
	Err      error                  // the cause, when it was no reply
}

// Error names the stage and the reply or the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s", e.Stage, e.Outcome().Reply())
}

// Unwrap returns the cause when it was no reply.
func (e *Error) Unwrap() error { return e.Err }

// Outcome is the error as an outcome without its recipient.
func (e *Error) Outcome() forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Unusable, Stage: e.Stage, Code: e.Code, Enhanced: e.Enhanced, Text: e.Text, Err: e.Err}
}

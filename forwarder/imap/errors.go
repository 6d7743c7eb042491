package imap

import (
	"errors"
	"fmt"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
	"github.com/popferry/popferry/forwarder/queue"
)

var (
	// ErrClosed is returned by the methods of a Pool, and of its deliveries, after
	// Pool.Close.
	ErrClosed = queue.ErrClosed
	// ErrNoSTARTTLS is the cause if the server does not offer the STARTTLS that
	// Options demand.
	ErrNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	// ErrNoAuth is the cause if the server offers no way to log in.
	ErrNoAuth = errors.New("the server offers no login")
	// ErrNoMethod is the cause if it offers none that is wanted.
	ErrNoMethod = errors.New("no login method in common")
	// ErrProtocol is the cause if the server said something that is not IMAP, or more
	// than a client has to take.
	ErrProtocol = wire.ErrProtocol
)

// errNotStarted is for a message whose session ended before the server asked for
// it: while the session was idle, or at an earlier message.
var errNotStarted = errors.New("the connection ended before this message")

// Error is why no session could be had, or why the server refused to look for
// messages.
type Error struct {
	Stage      forwarder.Stage        // StageDial to StageAuth; StageRcpt for a folder
	Code       int                    // the reply as SMTP has it, 0 if there was none
	Enhanced   forwarder.EnhancedCode // the same
	Text       string                 // what the server said
	RetryAfter time.Duration          // how long it asks to wait; 0: it does not say
	Token      bool                   // an access token was refused
	Err        error                  // the cause, if it was not a reply
}

// Error names the stage and the reply or the cause.
func (e *Error) Error() string { return fmt.Sprintf("%v: %s", e.Stage, e.Outcome().Reply()) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Outcome is the error as an outcome without its recipient.
func (e *Error) Outcome() forwarder.Outcome {
	kind := forwarder.Unusable
	if e.Stage == forwarder.StageRcpt && e.Code != 0 {
		kind = forwarder.Refused
	}
	return forwarder.Outcome{Kind: kind, Stage: e.Stage, Code: e.Code, Enhanced: e.Enhanced, Text: e.Text, Token: e.Token, Err: e.Err, RetryAfter: e.RetryAfter, Translated: true}
}

// failed is an error of the connection at a stage. An Error stays as it is.
func failed(stage forwarder.Stage, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Stage: stage, Err: err}
}

// refused is an outcome as an Error.
func refused(o forwarder.Outcome) *Error {
	return &Error{Stage: o.Stage, Code: o.Code, Enhanced: o.Enhanced, Text: o.Text, RetryAfter: o.RetryAfter}
}

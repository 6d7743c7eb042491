package smtp

import (
	"cmp"
	"errors"
	"fmt"
	"net/textproto"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/queue"
)

var (
	// ErrClosed is returned by Delivery.Wait and Pool.Check after Pool.Close.
	ErrClosed = queue.ErrClosed
	// ErrNoSTARTTLS is the cause if the server does not offer the STARTTLS that
	// Options demand.
	ErrNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	// ErrNoAuth is the cause if the server offers no AUTH at all.
	ErrNoAuth = errors.New("the server offers no login (AUTH)")
	// ErrNoMethod is the cause if it offers none that is wanted.
	ErrNoMethod = errors.New("no login method in common")
	// ErrProtocol is the cause if the server said something that is not SMTP.
	ErrProtocol = errors.New("protocol violation")
)

// errNotStarted is for a message whose session ended before it: while the
// session was idle, or at an earlier message.
var errNotStarted = errors.New("the connection ended before this message")

// notStartedError is errNotStarted with what the end may have come from.
type notStartedError struct{ suspicion }

func (*notStartedError) Error() string { return errNotStarted.Error() }

// Unwrap implements errors.Is.
func (*notStartedError) Unwrap() error { return errNotStarted }

// Error is why no session could be had, or why a probe was refused.
type Error struct {
	Stage    forwarder.Stage        // StageDial to StageAuth; in a probe, also StageMail and StageRcpt
	Code     int                    // the server's reply, 0 if there was none
	Enhanced forwarder.EnhancedCode // if the reply had one
	Text     string                 // the reply's text, as it may be shown
	Token    bool                   // an access token was refused
	Err      error                  // the cause, if it was not a reply

	said string // the reply's text as the server has it; "": as in Text
}

// Error names the stage and the reply or the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s", e.Stage, e.Outcome().Reply())
}

// Unwrap returns the cause, if it was not a reply.
func (e *Error) Unwrap() error { return e.Err }

// Outcome is the error as an outcome without its recipient.
func (e *Error) Outcome() forwarder.Outcome {
	o := forwarder.Outcome{Kind: forwarder.Unusable, Stage: e.Stage, Code: e.Code, Enhanced: e.Enhanced, Text: cmp.Or(e.said, e.Text), Token: e.Token, Err: e.Err}
	return o.Shown(e.Text)
}

// shown is what a server says, as it goes into the ledger and the log: without the
// secrets of the session, on one line, and cut.
func shown(mask *login.Mask, said string) string { return printable.Reply(mask.Text(said)) }

// withoutSecrets hides secrets in an error that quotes what the server sent instead
// of a reply.
func withoutSecrets(mask *login.Mask, err error) error {
	var line textproto.ProtocolError // go-smtp's, with the whole line
	switch {
	case errors.As(err, &line):
		return textproto.ProtocolError(shown(mask, line.Error()))
	case errors.Is(err, ErrProtocol):
		if text := mask.Text(err.Error()); text != err.Error() {
			return quotedError(text)
		}
	}
	return err
}

// quotedError is an ErrProtocol of which only the text is left.
type quotedError string

func (q quotedError) Error() string { return string(q) }

// Unwrap implements errors.Is.
func (quotedError) Unwrap() error { return ErrProtocol }

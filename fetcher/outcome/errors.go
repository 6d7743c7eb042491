package outcome

import (
	"errors"
	"fmt"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// DestinationError: a destination is at fault, not a message. All accounts that
// use it wait.
type DestinationError struct {
	Name    string
	Outcome forwarder.Outcome
}

func (e *DestinationError) Error() string { return refusal(e.Name, e.Outcome) }

func (e *DestinationError) Unwrap() error { return e.Outcome.Err }

// RouteError: the destination takes nothing for these recipients now. Accounts
// with other recipients do not wait.
type RouteError struct {
	Name    string // of the destination
	Outcome forwarder.Outcome
}

func (e *RouteError) Error() string { return refusal(e.Name, e.Outcome) }

func (e *RouteError) Unwrap() error { return e.Outcome.Err }

// PausedError: the destination has deferred one message after the other of this
// account, and accepted none.
type PausedError struct {
	Name    string
	Outcome forwarder.Outcome // the last
}

func (e *PausedError) Error() string { return refusal(e.Name, e.Outcome) }

func (e *PausedError) Unwrap() error { return e.Outcome.Err }

// RefusesEverythingError: the destination has refused for good one message after
// the other of this account, and accepted none. They are held, and the poll went
// on.
type RefusesEverythingError struct {
	Name  string
	Count int
	Since time.Time
}

func (e *RefusesEverythingError) Error() string {
	return fmt.Sprintf("destination %s has refused the last %d messages, and accepted none since %s", e.Name, e.Count, e.Since.Format(time.DateTime))
}

func refusal(name string, o forwarder.Outcome) string {
	refused := ":"
	if o.Code != 0 {
		refused = " refused"
	}
	return fmt.Sprintf("destination %s%s %s: %s", name, refused, o.Stage, o.Reply())
}

// MessageError is what the destination said of one message.
type MessageError struct {
	Outcome forwarder.Outcome
	Held    bool // the message is not sent again by itself
}

func (e *MessageError) Error() string {
	switch o := e.Outcome; o.Kind {
	case forwarder.Impossible: // the codes are ours, and the server was not asked
		return "not sent: " + o.Text
	case forwarder.Refused:
		return "refused: " + o.Reply()
	case forwarder.Accepted, forwarder.Broken, forwarder.InDoubt, forwarder.Unusable, forwarder.Replaced:
	}
	return fmt.Sprintf("%s %s: %s", e.Outcome.Stage, e.Outcome.Kind, e.Outcome.Reply())
}

func (e *MessageError) Unwrap() error { return e.Outcome.Err }

// AnswerIn returns the destination's answer that an error is about. wide reports
// whether it is about more than one message; ok is false if there is no answer in
// the error.
func AnswerIn(err error) (o forwarder.Outcome, wide, ok bool) {
	var (
		destination *DestinationError
		route       *RouteError
		paused      *PausedError
		message     *MessageError
	)
	switch {
	case errors.As(err, &destination):
		return destination.Outcome, true, true
	case errors.As(err, &route):
		return route.Outcome, true, true
	case errors.As(err, &paused):
		return paused.Outcome, true, true
	case errors.As(err, &message):
		return message.Outcome, false, true
	}
	return forwarder.Outcome{}, false, false
}

package outcome

import (
	"fmt"

	"github.com/popferry/popferry/forwarder"
)

// DestinationError: a destination is at fault, not a message.
type DestinationError struct {
	Name    string
	Outcome forwarder.Outcome
}

func (e *DestinationError) Error() string {
	refused := ":"
	if e.Outcome.Code != 0 {
		refused = " refused"
	}
	return fmt.Sprintf("destination %s%s %s: %s", e.Name, refused, e.Outcome.Stage, e.Outcome.Reply())
}

func (e *DestinationError) Unwrap() error { return e.Outcome.Err }

// MessageError is what the destination said of one message.
type MessageError struct{ Outcome forwarder.Outcome }

func (e *MessageError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Outcome.Stage, e.Outcome.Kind, e.Outcome.Reply())
}

func (e *MessageError) Unwrap() error { return e.Outcome.Err }

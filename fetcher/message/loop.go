package message

import (
	"fmt"
	"strings"
)

// maxHops is the number of Received lines from which a message counts as being
// in a loop (RFC 5321 6.3 suggests 100; no real mail has 50).
const maxHops = 50

// LoopError: the message has been here before. It is held.
type LoopError struct {
	Hops int // Received lines, if there are too many; 0: it has this mailbox's own trace
}

func (e *LoopError) Error() string {
	if e.Hops > 0 {
		return fmt.Sprintf("the message is in a mail loop: it has %d Received lines", e.Hops)
	}
	return "the message is in a mail loop: popferry has fetched it from this mailbox before"
}

// CheckLoop returns a *LoopError for a message that was fetched from this
// mailbox before, or that has passed through too many servers.
func (o Origin) CheckLoop(h Header) error {
	for _, t := range h.Traces {
		if strings.Contains(t, "account="+o.mark()) {
			return &LoopError{}
		}
	}
	if h.Hops > maxHops {
		return &LoopError{Hops: h.Hops}
	}
	return nil
}

package message

import (
	"fmt"
	"strings"
)

const (
	// serverHops is the smallest number of Received lines for which a real mail
	// server still delivers, its own among them: Exim's received_headers_max. It
	// accepts a message with more and then bounces it. (RFC 5321 6.3 suggests
	// 100; Postfix has 50.)
	serverHops = 30
	// maxHops is how many a message may have: popferry and the destination add
	// one each.
	maxHops = serverHops - 2
)

// LoopError: the message has been here before, or would be taken for one that is
// in a loop. It is held.
type LoopError struct {
	Hops int // Received lines, if there are too many; 0: it has this mailbox's own trace
}

func (e *LoopError) Error() string {
	if e.Hops > 0 {
		return fmt.Sprintf("the message has %d Received lines, and mail servers take one with many for a mail loop: with popferry's and the destination's own "+
			"it would have more than %d, and Exim, for example, would accept and then bounce it", e.Hops, serverHops)
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

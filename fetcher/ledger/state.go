package ledger

import (
	"fmt"
	"strings"
)

// State is what became of a message so far.
type State uint8

const (
	// Sending: a transaction was about to begin. Found when an account's lease
	// is taken, it becomes Unknown: the process died before it wrote the end.
	Sending State = iota + 1
	// Forwarded: accepted for every recipient. The only state in which a
	// message may be deleted on its server.
	Forwarded
	// Deferred: to be tried again at Record.NextAttempt.
	Deferred
	// Held: refused for good, or not whole three times; a person decides.
	Held
	// Skipped: larger than max_message_size, there before the first run, or
	// fetched by another program before.
	Skipped
	// Unknown: the message was sent, and whether it was accepted is not known.
	// It is tried again as if it were Deferred, with the same octets.
	Unknown
	// Gone: left its server before it was forwarded.
	Gone
)

var states = [...]string{Sending: "sending", Forwarded: "forwarded", Deferred: "deferred", Held: "held", Skipped: "skipped", Unknown: "unknown", Gone: "gone"}

// States lists all states, in the order of their values.
func States() []State {
	return []State{Sending, Forwarded, Deferred, Held, Skipped, Unknown, Gone}
}

// String is the state's name in the ledger, in commands and in metrics.
func (s State) String() string {
	if int(s) < len(states) && states[s] != "" {
		return states[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// ParseState is the inverse of String. The error names all states.
func ParseState(name string) (State, error) {
	for _, s := range States() {
		if s.String() == name {
			return s, nil
		}
	}
	var names []string
	for _, s := range States() {
		names = append(names, s.String())
	}
	return 0, fmt.Errorf("%q is no state; there are %s", name, strings.Join(names, ", "))
}

// Due tells whether a message in this state is to be tried again by itself.
func (s State) Due() bool { return s == Deferred || s == Unknown || s == Sending }

package ledger

import (
	"fmt"
	"strings"
)

// State is how far a message has come.
type State uint8

const (
	// Sending: a transaction is about to begin or under way. If it is found when
	// a lease is taken, the process died before it wrote the outcome, and the
	// message becomes Unknown.
	Sending State = iota + 1
	// Forwarded: accepted for every recipient. The only state in which a
	// message may be deleted on its server.
	Forwarded
	// Deferred: to be tried again at Record.NextAttempt.
	Deferred
	// Held: refused for good, or broken off repeatedly; the user decides.
	Held
	// Skipped: larger than max_message_size, older than the first run, adopted,
	// imported from another program, or skipped by the user.
	Skipped
	// Unknown: the message was sent, and it is not known whether it was accepted.
	// It is tried again like a Deferred one, with the same octets.
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
	return 0, fmt.Errorf("%q is not a state; the states are %s", name, strings.Join(names, ", "))
}

// Due reports whether a message in this state is tried again by itself.
func (s State) Due() bool { return s == Deferred || s == Unknown || s == Sending }

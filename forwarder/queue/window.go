package queue

// Window is how much is asked of a server at once, for now. Its methods are called
// with the queue's lock held.
type Window[S any] interface {
	// Width is how many calls may be admitted at a time, at least one.
	Width() int
	// OnWire is how many of these may have a session at a time, at least one.
	OnWire() int
	// Sessions is how many sessions are worth having. There is one, and more are
	// wanted only if it says so.
	Sessions(Load[S]) int
	// Ahead is how many sessions are worth opening for so many messages while there is
	// none yet, from what was learnt before; at least one.
	Ahead(messages int) int
	// Narrow is for a message that was refused for now, or whose connection ended.
	Narrow()
	// Full is for a server that did not let one more session be opened than there are.
	Full(sessions int)
	// Reset is for when all sessions have ended: the next one may lead to another
	// server.
	Reset()
}

// Load is what a queue has to do.
type Load[S any] struct {
	Waiting  int // calls that are not admitted
	Ready    int // that are, and have no session
	OnWire   int // that have one
	InFlight int // that were admitted and are not done
	First    S   // one of the sessions
}

// Limit is how many sessions a server is known to take.
type Limit interface {
	// LimitSessions notes that it refuses more than n sessions at a time.
	LimitSessions(n int)
	// MaxSessions is how many there may be, of those that are configured.
	MaxSessions(configured int) int
}

package ledger

import (
	"context"
	"time"
)

// Shared is a ledger that processes on several machines use at once.
type Shared interface {
	Store
	// Now is the time by the clock that all of them go by.
	Now() time.Time
	// Ahead is by how much that clock was ahead of this machine's when it was last
	// asked.
	Ahead() time.Duration
	// Slot takes one of n slots of a kind: for what only so many of them may do at a
	// time, all together. Where none is free it returns ErrLeased at once.
	Slot(ctx context.Context, kind string, n int) (Slot, error)
}

// Slot is the right to be one of a few.
type Slot interface {
	// Lost is closed once the right is lost, and somebody else may have it.
	Lost() <-chan struct{}
	// Release gives it back. A second call does nothing.
	Release() error
}

package ledger

import (
	"context"
	"time"
)

// Shared is a ledger that processes on several machines use at once. Times in it are
// by one clock, whatever theirs say.
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
	Replicas
	Requests
	Sightings
}

// Slot is the right to be one of a few.
type Slot interface {
	// Lost is closed once the right is lost, and somebody else may have it.
	Lost() <-chan struct{}
	// Release gives it back. A second call does nothing.
	Release() error
}

// Replicas are the processes that poll on schedule.
type Replicas interface {
	// Beat tells the others of this process, and it of them. Call it every few seconds.
	Beat(ctx context.Context, r Replica) (News, error)
	// Replicas returns those of the last hour that have not ended, by name.
	Replicas(context.Context) ([]Replica, error)
	// Leave takes this process out of them.
	Leave(context.Context) error
	// Leases are how many accounts this process has leased, and how many leases it has
	// lost so far.
	Leases() (now, lost int)
}

// Replica is one of several processes that share a ledger.
type Replica struct {
	Name    string // of its machine, and its process id
	Version string // of popferry
	Started time.Time
	Beat    time.Time // when it was last heard of; set by Beat
	Leases  int       // accounts that it has now; set by Beat
	Sick    string    // why it takes no leases; "": it does
}

// Silent is after how long without a beat a replica counts as gone: the database gives
// its leases to others.
const Silent = 30 * time.Second

// News is what other processes did.
type News struct {
	Requests []Request
	Polled   []Polled // since about the beat before
}

// Polled is when the last poll of an account began.
type Polled struct {
	Account int64
	Began   time.Time
}

// Requests are the polls that users want now, of whichever process comes first.
type Requests interface {
	// Request asks for polls of these accounts.
	Request(ctx context.Context, accounts ...int64) error
	// Requested returns the request for an account, or ErrNotFound.
	Requested(ctx context.Context, account int64) (Request, error)
	// Answered ends a request. One that was made again meanwhile stays.
	Answered(ctx context.Context, r Request) error
}

// Request is a poll that a user wants.
type Request struct {
	Account int64
	At      time.Time // when it was asked for
}

// Sightings are servers that single processes could not connect to.
type Sightings interface {
	// Unreached notes that this process could not connect to a server. It reports
	// whether that is the server's fault, as far as can be told: another process has
	// seen the same in the last ten minutes, or there is no other one to ask.
	Unreached(ctx context.Context, server string) (confirmed bool, err error)
	// Reached takes that back.
	Reached(ctx context.Context, server string) error
}

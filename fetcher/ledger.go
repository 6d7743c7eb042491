package fetcher

import (
	"context"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Lease is the right to poll one account, and the account's part of the ledger.
// What is written through it is on disk when the call returns nil; after an error
// none of it is.
type Lease interface {
	AccountRow
	Rows
	// Release gives the right back.
	Release() error
}

// AccountRow reads and writes what is remembered of the account.
type AccountRow interface {
	Account(context.Context) (ledger.Account, error)
	// PutAccount need not wait for the disk for what is not ledger.Account.Durable.
	PutAccount(context.Context, ledger.Account) error
}

// Rows reads and writes what is remembered of its messages.
type Rows interface {
	// Known returns all rows that a listing is compared with.
	Known(context.Context) ([]ledger.Known, error)
	// Record returns one row whole, or ledger.ErrNotFound.
	Record(ctx context.Context, id int64) (*ledger.Record, error)
	// Put writes all of the records or none; new ones get their ID.
	Put(context.Context, ...*ledger.Record) error
	// Drop removes rows in state Sending, whose transaction did not happen.
	Drop(ctx context.Context, ids ...int64) error
	// SetMissing sets MissingSince of these rows; the zero time means that they
	// are listed again.
	SetMissing(ctx context.Context, since time.Time, ids []int64) error
	// Deleted records when the server confirmed that these forwarded messages are
	// deleted; the zero time takes it back.
	Deleted(ctx context.Context, at time.Time, ids ...int64) error
}

// Routes remembers which destinations, and which recipients there, are backing
// off.
type Routes interface {
	// Route returns the zero value with the key if nothing is known.
	Route(ctx context.Context, key ledger.RouteKey) (ledger.Route, error)
	// PutRoute writes what has become of a route since it was read. Of failures at
	// the same time one counts; a success always does.
	PutRoute(ctx context.Context, was, is ledger.Route) error
}

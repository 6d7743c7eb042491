package web

import (
	"context"
	"log/slog"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Account is what the ledger knows of a configured account. Times are zero
// where nothing has happened yet.
type Account struct {
	ID          int64
	Name        string
	Enabled     bool
	LastPoll    time.Time
	LastSuccess time.Time
	NextPoll    time.Time // the end of a back-off included
	Failures    int       // in a row
	Cause       ledger.Cause
	OnServer    int
	Counts      map[ledger.State]int
	TokenEnds   time.Time // of the access token that was used last
}

// Message is a message that waits: for its time, or for a person.
type Message struct {
	Account string
	*ledger.Record
}

// Ledger is what the pages read. All errors are its own: the page says that
// the ledger cannot be read, the log says why.
type Ledger interface {
	// Ready returns nil if the ledger answers.
	Ready(ctx context.Context) error
	// Accounts are the configured ones, in their order.
	Accounts(ctx context.Context) ([]Account, error)
	// Days counts outcomes since a day, for all accounts.
	Days(ctx context.Context, since time.Time) ([]ledger.Day, error)
	// Waiting are the messages that are held, deferred or unknown: those that
	// are held first, so many at most. It also returns how many there are.
	Waiting(ctx context.Context, most int) ([]Message, int, error)
}

// Actions is what the buttons do. An error's text is shown to whoever pressed.
type Actions interface {
	// Retry makes a message due and has its account polled.
	Retry(ctx context.Context, account, uid string) error
	// Skip leaves a message alone for good.
	Skip(ctx context.Context, account, uid string) error
	// Poll has an account polled now, or all of them if it is "".
	Poll(account string) error
}

// Options are what the pages need. All but Now are required.
type Options struct {
	Ledger  Ledger
	Actions Actions
	Metrics *Metrics
	// Alive returns nil while polls are begun when they are due.
	Alive func() error
	// Status is what `popferry status --json` prints.
	Status func(ctx context.Context) (any, error)
	// Password is asked at each login; "" where none is configured, and then
	// nobody can log in.
	Password func(ctx context.Context) (string, error)
	Version  string
	Log      *slog.Logger
	Now      func() time.Time
}

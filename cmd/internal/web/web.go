package web

import (
	"context"
	"log/slog"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Account is what the ledger knows about a configured account. A time is zero if
// it has not happened yet.
type Account struct {
	ID          int64
	Name        string
	Enabled     bool
	Source      string // user name and host
	Forward     string // name of its destination
	Endpoint    string // where that is
	LastPoll    time.Time
	LastSuccess time.Time
	NextPoll    time.Time // after the end of a back-off
	NotBefore   time.Time // the end of that; in the past: it waits for none
	Failures    int       // in a row
	Cause       ledger.Cause
	OnServer    int
	Counts      map[ledger.State]int
	TokenEnds   time.Time // when the access token that was used last expires
	Progress    string    // of its running poll, in words; "": none is running
}

// Destination is what is known about a configured destination.
type Destination struct {
	Name      string
	Endpoint  string    // where it is
	TokenEnds time.Time // when the access token that was used last expires; zero: not known
	NotBefore time.Time // the end of its back-off; in the past: it waits for none
	Cause     ledger.Cause
}

// SignIn is a sign-in by OAuth2 that cannot be used, or has to be repeated soon.
type SignIn struct {
	Name  string // of the account or destination
	User  string
	Until time.Time    // when the provider ends it, if it can be used until then
	Cause ledger.Cause // why it cannot be used
}

// Message is a message that waits for its next attempt or for a decision.
type Message struct {
	Account string
	*ledger.Record
}

// Ledger is where the pages read from. An error means that the ledger cannot be
// read: the page says so, and the log has the error.
type Ledger interface {
	// Ready returns nil if the ledger can be read.
	Ready(ctx context.Context) error
	// TellsAll reports whether this process is the one to tell Prometheus of all
	// accounts, of those that share the ledger.
	TellsAll(ctx context.Context) bool
	// Accounts returns the configured accounts in their order.
	Accounts(ctx context.Context) ([]Account, error)
	// Destinations returns the configured destinations in their order.
	Destinations(ctx context.Context) ([]Destination, error)
	// Timeline returns the number of the timeline of the ledger's database, and how many
	// failovers of it were noticed. ok is false if the ledger is a file.
	Timeline() (number int64, failovers int, ok bool)
	// SignIns returns those that the user has to do something about, but for what
	// accounts say themselves.
	SignIns(ctx context.Context) ([]SignIn, error)
	// Days returns the daily outcomes of all accounts since a day.
	Days(ctx context.Context, since time.Time) ([]ledger.Day, error)
	// Waiting returns at most limit of the messages that are held, deferred or
	// unknown, held ones first, and how many there are in all.
	Waiting(ctx context.Context, limit int) ([]Message, int, error)
}

// Actions are what the buttons do. The text of an error is shown on the page.
type Actions interface {
	// Retry makes a message due and has its account polled.
	Retry(ctx context.Context, account, uid string) error
	// Skip makes popferry leave a message alone for good.
	Skip(ctx context.Context, account, uid string) error
	// Poll has an account polled now; "" means all accounts.
	Poll(account string) error
}

// Options are what the pages need. All but Mailboxes and Now are required.
type Options struct {
	Ledger    Ledger
	Actions   Actions
	Mailboxes Mailboxes // nil: none can be set up
	Metrics   *Metrics
	// Alive returns nil while polls start when they are due.
	Alive func() error
	// Status returns what `popferry status --json` prints; without private, less
	// what servers said and the paths of files.
	Status func(ctx context.Context, private bool) (any, error)
	// Access is called for each request.
	Access func() Access
	// Password is called at each login. If it returns "", logging in is off.
	Password func(ctx context.Context) (string, error)
	Version  string
	Log      *slog.Logger
	Now      func() time.Time
}

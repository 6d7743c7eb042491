package ledger

import (
	"context"
	"io"
	"time"
)

// Store is an open ledger, whatever keeps it. Its methods may be called from any
// goroutine. ledger/ledgertest has what each must do.
type Store interface {
	Accounts
	Messages
	Routes
	Notices
	Tokens
	Mover

	// Lease takes the lease of an account. It returns ErrLeased at once if this or
	// another process holds it, and ErrNotFound if there is no such account. Messages
	// found in state Sending were being sent when a process died: see
	// Record.Interrupt.
	Lease(ctx context.Context, account int64) (Lease, error)
	// Ping returns an error if the ledger cannot be used now.
	Ping(context.Context) error
	// Close closes the ledger. Release all leases first. A second call returns the
	// result of the first.
	Close() error
}

// Accounts are what is remembered of accounts.
type Accounts interface {
	// Claim makes these identities the accounts of this configuration, by the rules
	// of the function Claim. It returns one account for each, in order, all with an
	// ID. On an error nothing changes: it is ErrLeased where an edited account is polled
	// for half a minute, or until the context ends.
	Claim(context.Context, []Identity) ([]Account, error)
	// Accounts returns all accounts that were ever claimed, by name.
	Accounts(context.Context) ([]Account, error)
}

// Messages are what is remembered of messages, for all accounts.
type Messages interface {
	// Messages yields those that pass the filter, with the name of their account: by
	// account, then in the order in which they were first written. An error of yield
	// ends it and is returned. Each is as it was at some time during the call.
	Messages(ctx context.Context, f Filter, yield func(account string, r *Record) error) error
	// Copies returns those that have a retained copy.
	Copies(context.Context) ([]Copy, error)
	// Counts returns how many messages of each account are in each state.
	Counts(context.Context) (map[int64]map[State]int, error)
	// Days returns the counts of the day of since, in UTC, and later.
	Days(ctx context.Context, since time.Time) ([]Day, error)
	// Prune forgets messages that have left their server for good (Account.Forget),
	// and returns their number.
	Prune(context.Context) (int, error)
}

// Routes are what is remembered of ways of mail.
type Routes interface {
	// Route returns the zero value with the key if nothing is known.
	Route(ctx context.Context, key RouteKey) (Route, error)
	// Routes returns all, by key.
	Routes(context.Context) ([]Route, error)
	// PutRoute writes how a route has changed since it was read. Of failures at
	// the same time one counts; a success always does. The facts are not written.
	PutRoute(ctx context.Context, was, is Route) error
	// PutFacts writes Route.Facts.
	PutFacts(ctx context.Context, key RouteKey, facts string) error
}

// Notices are what the user was notified of.
type Notices interface {
	// Notices returns them by account.
	Notices(context.Context) ([]Notice, error)
	// PutNotices writes all of these or none.
	PutNotices(context.Context, ...Notice) error
}

// Notice is what the user was notified of by mail about one account, so that a
// restart repeats no notice. A zero time stands for never.
type Notice struct {
	Account int64
	Since   time.Time // since when the account has been failing; zero: it is not
	Told    time.Time // when the user was notified of that; zero: not yet, or it is over
	Held    []int64   // ids of the held messages that the user was notified of, ascending
	Late    []int64   // the same of deferred ones that are tried only once a day
	HeldAt  time.Time // when the user was last notified of messages
}

// Tokens are the sign-ins by OAuth2.
type Tokens interface {
	// Token returns a sign-in, or ErrNotFound.
	Token(ctx context.Context, key TokenKey) (Token, error)
	// Tokens returns all, by key.
	Tokens(context.Context) ([]Token, error)
	// LeaseToken takes the lease of a sign-in, which need not exist yet. It waits for
	// other holders until ctx ends: then the error is that of ctx.
	LeaseToken(ctx context.Context, key TokenKey) (TokenLease, error)
}

// Lease is the right to poll one account and to change its rows. What is written
// through it is on disk when the call returns nil; after an error none of it is.
// After Release every change fails.
type Lease interface {
	// Account returns what is remembered of the account.
	Account(context.Context) (Account, error)
	// PutAccount writes all of the account except its identity. It need not wait for
	// the disk for what is not Account.Durable.
	PutAccount(context.Context, Account) error
	// Rename gives the account another identity: see the stores.
	Rename(context.Context, Identity) error
	// Forget removes the account with all its messages, and returns their number.
	Forget(context.Context) (messages int, err error)

	// Known returns all rows that a listing is compared with, in the order in which
	// they were first written.
	Known(context.Context) (*Rows, error)
	// Record returns a message of the account whole, or ErrNotFound.
	Record(ctx context.Context, id int64) (*Record, error)
	// Marked returns the messages with a Record.Mark.
	Marked(context.Context) ([]*Record, error)
	// Put writes all of the records or none; new ones get their ID. A record that
	// enters a state other than Sending is counted for the day.
	Put(context.Context, ...*Record) error
	// Usage returns what was sent within the time of each limit.
	Usage(context.Context, Quota) ([]Usage, error)
	// PutWithin is Put for one record whose message is about to be sent, and counts it
	// with its octets. If the quota does not admit it nothing is written, and the error
	// is ErrQuotaUsedUp or ErrQuotaTooSmall.
	PutWithin(ctx context.Context, q Quota, octets int64, r *Record) error
	// Settle writes what came after an intent, a record that Put was asked to write
	// as Sending: the outcome of its transaction or, if that is nil, that there was
	// none, and the row goes. As that is a fact about the past, a lease that was lost
	// meanwhile does not matter, unless another process has gone on with the message:
	// then the error is ErrLost.
	Settle(ctx context.Context, intent, outcome *Record) error
	// Drop removes rows in state Sending, whose transaction did not happen.
	Drop(ctx context.Context, ids ...int64) error
	// SetMissing sets Known.MissingSince; the zero time means that the messages are
	// listed again.
	SetMissing(ctx context.Context, since time.Time, ids []int64) error
	// Deleted records when the server confirmed that these forwarded messages are
	// deleted; the zero time takes it back.
	Deleted(ctx context.Context, at time.Time, ids ...int64) error

	// Alive returns ErrLost if the lease was lost, or may have been.
	Alive() error
	// Lost is closed once the lease is lost for sure; nil: that is only seen when
	// something is written.
	Lost() <-chan struct{}
	// Release gives the right back once the current changes are on disk. A second
	// call does nothing.
	Release() error
}

// TokenLease is the right to change one sign-in. It is for one goroutine.
type TokenLease interface {
	// Token returns the sign-in as the last holder left it, or ErrNotFound.
	Token(context.Context) (Token, error)
	// Put writes the sign-in, and returns when it is on disk. room octets are written
	// with it, and go with the next Put: so a disk that is nearly full shows before
	// something comes that must not be lost.
	Put(ctx context.Context, t Token, room int) error
	// Delete removes the sign-in. One that does not exist is no error.
	Delete(context.Context) error
	// Release gives the right back.
	Release() error
}

// Keeper is a store that keeps octets of messages itself, and not in files beside it.
// What is not there is fs.ErrNotExist.
type Keeper interface {
	// OpenCopy reads a retained copy (Known.CopyFile) of an account's message.
	OpenCopy(ctx context.Context, account int64, name string) (io.WriterTo, error)
	// Quarantine returns the messages in quarantine, in the order in which they came.
	Quarantine(context.Context) ([]Quarantined, error)
	// OpenQuarantine reads one of them.
	OpenQuarantine(ctx context.Context, trace string) (io.WriterTo, error)
	// DropQuarantine removes one of them, or returns ErrNotFound.
	DropQuarantine(ctx context.Context, trace string) error
}

// Quarantined is a message in quarantine.
type Quarantined struct {
	Trace   string
	Account string // its name when the message came
	Stored  time.Time
	Size    int64 // octets
}

// Filter selects messages. A zero field matches all.
type Filter struct {
	Account string // the account's name
	State   State
	UID     string // raw octets
}

// Copy is a message of which popferry has a retained copy (Known.CopyFile).
type Copy struct {
	Account int64
	UID     string // raw octets
	State   State
	File    string // without the folder
}

// Day is the number of messages of one account with one outcome on one day.
type Day struct {
	Account int64
	Date    string // 2006-01-02, in UTC
	Outcome State
	Count   int
}

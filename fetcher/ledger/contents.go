package ledger

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotEmpty: the ledger to be filled has something in it.
var ErrNotEmpty = errors.New("the ledger is not empty")

// Sent is what was sent within a minute, for quotas.
type Sent struct {
	Quota   string // Quota.Key
	Minute  time.Time
	Account int64
	Amount
}

// Contents are all that a ledger has. The ids are its own, and stay.
type Contents struct {
	Accounts []Account
	// Records yields all messages. It may be called more than once.
	Records func(ctx context.Context, yield func(*Record) error) error
	Days    []Day
	Routes  []Route
	Notices []Notice
	Tokens  []Token
	Sent    []Sent

	// For a Keeper. OpenCopy reads a retained copy; fs.ErrNotExist: it is not there.
	OpenCopy       func(ctx context.Context, account int64, name string) (io.WriterTo, error)
	Quarantine     []Quarantined
	OpenQuarantine func(ctx context.Context, trace string) (io.WriterTo, error)
}

// Mover is a store that can be moved to another one.
type Mover interface {
	// Sent returns all that is remembered of what was sent.
	Sent(context.Context) ([]Sent, error)
	// Fill writes all that another ledger has, in one transaction. If there is
	// something in this one, the error is ErrNotEmpty, and nothing changes.
	Fill(context.Context, Contents) error
	// MarkMoved notes where the ledger is now: nobody gets a lease here any more, and
	// opening it is a *MovedError.
	MarkMoved(ctx context.Context, to string) error
}

// ReadContents reads all that a store has, except the octets of a Keeper. The caller has
// all leases.
func ReadContents(ctx context.Context, s Store) (c Contents, err error) {
	if c.Accounts, err = s.Accounts(ctx); err != nil {
		return c, err
	}
	c.Records = func(ctx context.Context, yield func(*Record) error) error {
		return s.Messages(ctx, Filter{}, func(_ string, r *Record) error { return yield(r) })
	}
	if c.Days, err = s.Days(ctx, time.Unix(0, 0)); err != nil {
		return c, err
	}
	if c.Routes, err = s.Routes(ctx); err != nil {
		return c, err
	}
	if c.Notices, err = s.Notices(ctx); err != nil {
		return c, err
	}
	if c.Sent, err = s.Sent(ctx); err != nil {
		return c, err
	}
	tokens, err := s.Tokens(ctx)
	if err != nil {
		return c, err
	}
	for _, t := range tokens { // one that cannot be unsealed is an error
		if t, err = s.Token(ctx, t.TokenKey); err != nil {
			return c, err
		}
		c.Tokens = append(c.Tokens, t)
	}
	return c, nil
}

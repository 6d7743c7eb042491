package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/login"
)

// Store keeps the sign-ins. Its errors are those of the ledger.
type Store interface {
	// Token returns a sign-in, or ledger.ErrNotFound.
	Token(context.Context, ledger.TokenKey) (ledger.Token, error)
	// LeaseToken waits for the right to change a sign-in, until ctx ends.
	LeaseToken(context.Context, ledger.TokenKey) (Lease, error)
}

// Lease is the right to change one sign-in.
type Lease interface {
	Token(context.Context) (ledger.Token, error)
	// Put returns when the sign-in is on disk. room octets are written with it, and
	// are free again after the next one.
	Put(ctx context.Context, t ledger.Token, room int) error
	Delete(context.Context) error
	Release() error
}

// Tokens returns access tokens. Its methods may be called from any goroutine. The
// zero value is ready to use; a process has one.
type Tokens struct {
	// Now is the time. Default: time.Now.
	Now func() time.Time

	mu sync.Mutex
	// unsaved is what a renewal has brought and the ledger could not take, with the
	// refresh token that it came of. Nothing uses it before it is in the ledger.
	unsaved map[ledger.TokenKey]brought
	// outages are providers that could not be reached a moment ago.
	outages map[ledger.TokenKey]outage
}

type outage struct {
	since time.Time
	why   *Error
}

type brought struct {
	of    string
	token ledger.Token
}

const (
	// ahead is how long before its end an access token is renewed; of one that lives
	// less than 20 minutes, a quarter of its life.
	ahead = 5 * time.Minute
	// leaseTimeout is how long to wait for another holder of the lease: it has a
	// request to make, and to write before and after it.
	leaseTimeout = requestTimeout + 2*writeTimeout
	// writeTimeout is how long the ledger may take.
	writeTimeout = 10 * time.Second
	// pause is how long a provider that could not be reached is left alone: each try
	// can take as long as requestTimeout, and many logins wait for it.
	pause = 30 * time.Second
	// settled is how old an access token has to be for another one to be any better
	// where a server refuses it; of one that lives less than four minutes, a quarter
	// of its life.
	settled = time.Minute
	// firstRest is how long a provider that has refused is left alone, doubling to
	// longestRest.
	firstRest   = time.Minute
	longestRest = time.Hour
)

func (t *Tokens) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// Get returns an access token that is valid for a while, renewed if need be. One that
// a server has just refused (login.Refused) is renewed before its time. Errors are of
// type *Error, or those of the ledger, of the client's secret and of ctx.
func (t *Tokens) Get(ctx context.Context, store Store, c Client) (string, error) {
	row, err := look(ctx, store, c)
	if err != nil {
		return "", err
	}
	if good(ctx, row, t.now()) && !t.hasUnsaved(c.Key()) {
		return row.Access, nil
	}
	return t.renew(ctx, store, c, row)
}

// Look returns a sign-in as it is, and an *Error if it cannot be used. It asks
// nobody, and changes nothing.
func (t *Tokens) Look(ctx context.Context, store Store, c Client) (ledger.Token, error) {
	row, err := look(ctx, store, c)
	switch now := t.now(); {
	case err != nil, fresh(row, now):
	case row.Refusal.Code != "":
		err = refusedBefore(row)
	default:
		err = cannotRenew(c, row)
	}
	return row, err
}

// look reads a sign-in, and compares it with what the client needs.
func look(ctx context.Context, store Store, c Client) (ledger.Token, error) {
	row, err := store.Token(ctx, c.Key())
	if errors.Is(err, ledger.ErrNotFound) {
		return row, c.needed("there is no sign-in")
	}
	if err == nil && !c.covers(row.Scopes) {
		err = &Error{Reason: Narrow, Text: fmt.Sprintf("the sign-in of %s at %s was for %q, and now %q is needed", c.User, c.host(), row.Scopes, c.scopes())}
	}
	return row, err
}

func (c Client) needed(why string) *Error {
	return &Error{Reason: Needed, Text: fmt.Sprintf("%s at %s: %s", c.User, c.host(), why)}
}

// fresh reports whether an access token is valid for a while. One that was obtained
// in the future was under another clock.
func fresh(row ledger.Token, now time.Time) bool {
	life := row.Ends.Sub(row.Obtained)
	return row.Access != "" && now.Before(row.Ends.Add(-min(ahead, life/4))) && !now.Before(row.Obtained.Add(-clockSkew))
}

// good reports whether an access token is fresh, and no server has just refused it. If
// it was obtained just now, another one would be refused as well.
func good(ctx context.Context, row ledger.Token, now time.Time) bool {
	young := now.Sub(row.Obtained) < min(settled, row.Ends.Sub(row.Obtained)/4)
	return fresh(row, now) && (row.Access != login.Refused(ctx) || young)
}

// usable reports whether an access token is better than none: it has not ended yet,
// and no server has just refused it.
func usable(ctx context.Context, row ledger.Token, now time.Time) bool {
	return row.Access != "" && now.Before(row.Ends) && row.Access != login.Refused(ctx)
}

// Keep writes a new sign-in over an older one. It is on disk when Keep returns.
func (t *Tokens) Keep(ctx context.Context, store Store, c Client, s SignIn) error {
	return t.change(ctx, store, c.Key(), func(lease Lease) error {
		t.takeUnsaved(c.Key()) // it came of an older one
		return put(ctx, lease, s.row(c, t.now()), 0)
	})
}

// Told notes that the user was notified of the end of a sign-in.
func (t *Tokens) Told(ctx context.Context, store Store, key ledger.TokenKey) error {
	return t.change(ctx, store, key, func(lease Lease) error {
		row, err := lease.Token(ctx)
		if err != nil {
			return err
		}
		row.Told = t.now()
		return put(ctx, lease, row, 0)
	})
}

// Forget removes a sign-in, and returns what it was, for Client.Revoke. If there is
// none, the error is ledger.ErrNotFound.
func (t *Tokens) Forget(ctx context.Context, store Store, c Client) (was ledger.Token, err error) {
	err = t.change(ctx, store, c.Key(), func(lease Lease) error {
		if was, err = lease.Token(ctx); err != nil {
			return err
		}
		if b, ok := t.takeUnsaved(c.Key()); ok && b.of == was.Refresh {
			was = b.token
		}
		return lease.Delete(ctx)
	})
	return was, err
}

func (t *Tokens) change(ctx context.Context, store Store, key ledger.TokenKey, do func(Lease) error) error {
	lease, err := take(ctx, store, key)
	if err != nil {
		return err
	}
	return errors.Join(do(lease), lease.Release())
}

// take waits for the lease of a sign-in. If it takes too long, the error is an *Error.
func take(ctx context.Context, store Store, key ledger.TokenKey) (Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	lease, err := store.LeaseToken(ctx, key)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = &Error{Reason: Busy, Text: fmt.Sprintf("another holder has been renewing the sign-in of %s at %s for a long time", key.User, hostOf(key.Provider))}
	}
	return lease, err
}

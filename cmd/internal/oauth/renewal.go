package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/login"
)

// renew returns an access token under the lease of the sign-in. While the old one
// is valid, that it cannot be renewed harms nobody.
func (t *Tokens) renew(ctx context.Context, store Store, c Client) (string, error) {
	waiting, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	lease, err := store.LeaseToken(waiting, c.Key())
	if err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			err = &Error{Reason: Busy, Text: fmt.Sprintf("another process has been renewing the sign-in of %s at %s for %v", c.User, c.host(), leaseTimeout)}
		}
		return "", err
	}
	defer func() { _ = lease.Release() }() // the lock ends with the file
	row, err := t.current(ctx, lease, c)
	if err != nil || fresh(row, t.now()) {
		return row.Access, err
	}
	before := row
	if row, err = t.ask(ctx, lease, c, row); err == nil {
		return row.Access, nil
	}
	var failed *Error
	if errors.As(err, &failed) && valid(before, t.now()) {
		return before.Access, nil
	}
	return "", err
}

// current reads the sign-in under its lease. What an earlier renewal has brought
// is written first, if the ledger could not take it then.
func (t *Tokens) current(ctx context.Context, lease Lease, c Client) (ledger.Token, error) {
	row, err := lease.Token(ctx)
	if errors.Is(err, ledger.ErrNotFound) {
		return row, c.needed("the sign-in was removed")
	}
	b, ok := t.takeUnsaved(c.Key())
	if err != nil || !ok || b.of != row.Refresh {
		return row, err // somebody has signed in since
	}
	return b.token, t.save(ctx, lease, b)
}

// save writes what a renewal has brought, or keeps it for the next time.
func (t *Tokens) save(ctx context.Context, lease Lease, b brought) error {
	err := put(ctx, lease, b.token, 0)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.unsaved == nil {
			t.unsaved = make(map[ledger.TokenKey]brought)
		}
		t.unsaved[b.token.TokenKey] = b
	}
	return err
}

func (t *Tokens) hasUnsaved(key ledger.TokenKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.unsaved[key]
	return ok
}

func (t *Tokens) takeUnsaved(key ledger.TokenKey) (brought, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.unsaved[key]
	delete(t.unsaved, key)
	return b, ok
}

// put writes to the ledger, also while popferry is being stopped.
func put(ctx context.Context, lease Lease, row ledger.Token, room int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return lease.Put(ctx, row, room)
}

// ask renews a sign-in and writes what came of it.
func (t *Tokens) ask(ctx context.Context, lease Lease, c Client, row ledger.Token) (ledger.Token, error) {
	if err := cannotRenew(c, row); err != nil {
		return row, err
	}
	if rest(row, t.now()) {
		return row, refusedBefore(row)
	}
	secret, err := c.secret(ctx)
	if err != nil {
		return row, err
	}
	row.Asked = t.now()
	// What comes may be longer, and takes the room of what it replaces as well.
	room := 4 * (len(row.Access) + len(row.Refresh) + 4096)
	if err := put(ctx, lease, row, room); err != nil {
		return row, err
	}
	var mask login.Mask
	mask.Hide(row.Refresh)
	mask.Hide(secret)
	// Not cut off when popferry is being stopped: the answer would be lost.
	answer, err := c.renew(context.WithoutCancel(ctx), row, secret)
	if err == nil {
		next := apply(row, answer, t.now())
		next.Rotation = max(next.Rotation, ledger.RotationNever)
		if next.Refresh != row.Refresh {
			next.Rotation = ledger.RotationSeen
		}
		return next, t.save(ctx, lease, brought{row.Refresh, next})
	}
	return row, t.failed(ctx, lease, c, row, err, &mask)
}

// failed notes that a renewal failed, and returns why.
func (t *Tokens) failed(ctx context.Context, lease Lease, c Client, row ledger.Token, err error, mask *login.Mask) error {
	why := c.failed(fmt.Sprintf("renewing the sign-in of %s at %s", c.User, c.host()), err, mask)
	var unanswered *unansweredError
	switch {
	case errors.As(err, &unanswered) && !mayRepeat(row):
		return cannotRenew(c, row) // Asked stays
	case why.Reason != Unreachable && why.Reason != Clock:
		row.Refusal = ledger.Refusal{Cause: why.refusal(), At: t.now(), Count: row.Refusal.Count + 1}
	}
	row.Asked = time.Time{}
	if err := put(ctx, lease, row, 0); err != nil {
		return errors.Join(why, err)
	}
	return why
}

// cannotRenew says why a sign-in cannot be renewed at all; nil: it can be tried.
func cannotRenew(c Client, row ledger.Token) error {
	switch {
	case row.Refresh == "":
		return c.needed("the provider gave no refresh token, so that the sign-in has ended with its access token (scopes, offline_access)")
	case !row.Asked.IsZero() && !mayRepeat(row):
		return &Error{Reason: InDoubt, Text: fmt.Sprintf("the renewal of the sign-in of %s at %s, begun at %s, has no known answer; "+
			"the provider may have replaced the refresh token and would take the older one for a stolen one, so popferry does not use it again",
			c.User, c.host(), row.Asked.Format(time.DateTime))}
	}
	return nil
}

// mayRepeat reports whether a refresh token may be used again where it is not
// known whether it was replaced: that ends nothing at providers that never replace
// it, nor at Google (the same) and Microsoft, where older ones stay valid
// (https://learn.microsoft.com/entra/identity-platform/refresh-tokens).
func mayRepeat(row ledger.Token) bool {
	u, err := url.Parse(row.URL)
	return row.Rotation == ledger.RotationNever || err == nil && slices.Contains([]string{googleHost, microsoftHost}, u.Host)
}

// rest reports whether a provider that has refused is left alone for now.
func rest(row ledger.Token, now time.Time) bool {
	if row.Refusal.Count == 0 || now.Before(row.Refusal.At) {
		return false
	}
	wait := firstRest
	for range row.Refusal.Count - 1 {
		wait = min(2*wait, longestRest)
	}
	if row.Refusal.Code == ClientUnknown.Code() {
		wait = firstRest // the configuration may have another secret now
	}
	return now.Sub(row.Refusal.At) < wait
}

// refusedBefore is the error that was noted when the provider refused.
func refusedBefore(row ledger.Token) *Error {
	return &Error{Reason: reasonOf(row.Refusal.Code), Text: row.Refusal.Text}
}

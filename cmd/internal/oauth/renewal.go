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
// can be used, that it cannot be renewed harms nobody.
func (t *Tokens) renew(ctx context.Context, store Store, c Client, row ledger.Token) (string, error) {
	row, err := t.renewed(ctx, store, c, row)
	if _, ok := errors.AsType[*Error](err); err == nil || ok && usable(ctx, row, t.now()) {
		return row.Access, nil
	}
	return "", err
}

// renewed takes the lease of a sign-in, and renews it unless another holder has. With
// an error it returns the sign-in as it is, as far as that is known.
func (t *Tokens) renewed(ctx context.Context, store Store, c Client, row ledger.Token) (ledger.Token, error) {
	lease, err := take(ctx, store, c.Key())
	if err != nil {
		return row, err
	}
	defer func() { _ = lease.Release() }() // the lock ends with the file
	row, err = t.current(ctx, lease, c)
	if err != nil || good(ctx, row, t.now()) {
		return row, err
	}
	if why := t.outage(c.Key()); why != nil {
		return row, why
	}
	return t.ask(ctx, lease, c, row)
}

// outage is why a provider could not be reached a moment ago; nil: it could, or that
// is long enough ago to try again.
func (t *Tokens) outage(key ledger.TokenKey) *Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.outages[key]
	if now := t.now(); o.why == nil || now.Before(o.since) || now.Sub(o.since) >= pause {
		return nil
	}
	return o.why
}

// noteOutage notes whether a provider could be reached; nil: it could.
func (t *Tokens) noteOutage(key ledger.TokenKey, why *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if why == nil {
		delete(t.outages, key)
		return
	}
	if t.outages == nil {
		t.outages = make(map[ledger.TokenKey]outage)
	}
	t.outages[key] = outage{t.now(), why}
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
	answer, err := c.renew(ctx, row, secret)
	if err == nil {
		t.noteOutage(c.Key(), nil)
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
	if _, ok := errors.AsType[*unansweredError](err); ok {
		return cannotRenew(c, row) // Asked stays
	}
	row.Asked = time.Time{}
	if errors.Is(ctx.Err(), context.Canceled) && errors.Is(err, context.Cause(ctx)) { // it was not sent, or that does no harm
		return errors.Join(err, put(ctx, lease, row, 0))
	}
	why := c.failed(fmt.Sprintf("renewing the sign-in of %s at %s", c.User, c.host()), err, mask)
	switch why.Reason {
	case Unreachable, Clock: // which says nothing about the sign-in
		t.noteOutage(c.Key(), why)
	default:
		row.Refusal = ledger.Refusal{Cause: why.refusal(), At: t.now(), Count: row.Refusal.Count + 1}
	}
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

package oauth_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/login"
)

// afterRefusal asks for an access token as a login does whose token was refused.
func (w *world) afterRefusal(t *testing.T, token string) (string, error) {
	t.Helper()
	return w.tokens.Get(login.WithRefused(t.Context(), token), w.store, w.client)
}

// TestRefusedBeforeItsTime: an access token that a server refuses is renewed, though
// it is valid by the clock; not one that is new, which would bring no better one.
func TestRefusedBeforeItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	first := wantToken(t, w.tokens, w.store, w.client, w.Provider)
	w.clock.move(2 * time.Minute)
	w.EndAccess()
	for range 2 { // the second login was refused with the same one
		second, err := w.afterRefusal(t, first)
		if _, valid := w.User(second); err != nil || !valid {
			t.Errorf("no valid token: %v", err)
		}
	}
	second := wantToken(t, w.tokens, w.store, w.client, w.Provider)
	if again, err := w.afterRefusal(t, second); again != second || err != nil {
		t.Errorf("a new token that is refused was renewed (%v)", err)
	}
	if w.Renewals() != 1 {
		t.Errorf("%d renewals, want one", w.Renewals())
	}
	w.clock.move(2 * time.Minute)
	w.RevokeAll()
	_, err := w.afterRefusal(t, second)
	wantReason(t, err, oauth.Refused, w.Provider) // not the token that was refused
}

// TestOutage: a provider that cannot be reached is asked by one of many logins, and
// after a while again.
func TestOutage(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var asked atomic.Int32
	w := newWorld(t, oauthtest.Options{Answer: func(w http.ResponseWriter, _ url.Values) bool {
		if down.Load() {
			asked.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down.Load()
	}})
	down.Store(true)
	w.clock.move(2 * time.Hour)
	for round := range int32(3) {
		var logins sync.WaitGroup
		for range 5 {
			logins.Go(func() { wantReason(t, w.get(t), oauth.Unreachable, w.Provider) })
		}
		logins.Wait()
		if n := asked.Load(); n != round+1 {
			t.Errorf("asked %d times in %d outages", n, round+1)
		}
		w.clock.move(time.Minute)
	}
	down.Store(false)
	wantToken(t, w.tokens, w.store, w.client, w.Provider)
}

// TestLeaseOfAnother: an access token that is still valid is used while another
// holder renews it; one that is not is said to be busy.
func TestLeaseOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	l, err := w.store.Store.LeaseToken(t.Context(), w.client.Key())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Release() }()
	impatient := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.tokens.Get(ctx, w.store, w.client)
		return err
	}
	w.clock.move(56 * time.Minute)
	if err := impatient(); err != nil {
		t.Error(err)
	}
	w.clock.move(time.Hour)
	wantReason(t, impatient(), oauth.Busy, w.Provider)
}

// forgetful is a store whose user signs out while a login waits for the lease.
type forgetful struct{ store }

func (s forgetful) LeaseToken(ctx context.Context, key ledger.TokenKey) (oauth.Lease, error) {
	l, err := s.store.LeaseToken(ctx, key)
	if err == nil {
		err = l.Delete(ctx)
	}
	return l, err
}

// TestSignedOutMeanwhile: an access token is not used once its user has signed out,
// though it is valid.
func TestSignedOutMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	w.clock.move(56 * time.Minute)
	_, err := w.tokens.Get(t.Context(), forgetful{w.store}, w.client)
	wantReason(t, err, oauth.Needed, w.Provider)
}

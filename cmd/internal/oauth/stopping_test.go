package oauth_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
)

// TestStoppedOnceSent: what is sent and must not be repeated is waited for, and its
// answer written, when popferry is stopped meanwhile.
func TestStoppedOnceSent(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var renewing atomic.Bool
	w := newWorld(t, oauthtest.Options{Granted: func(url.Values) {
		if renewing.Load() {
			stop()
		}
	}})
	renewing.Store(true)
	w.clock.move(2 * time.Hour)
	if _, err := w.tokens.Get(ctx, w.store, w.client); err != nil {
		t.Error(err)
	}
	w.clock.move(2 * time.Hour)
	wantToken(t, w.tokens, w.store, w.client, w.Provider)
	if w.Renewals() != 2 || w.Revoked() != 0 {
		t.Errorf("%d renewals, %d sign-ins revoked", w.Renewals(), w.Revoked())
	}
}

// TestStoppedBeforeSent: a provider that takes a connection and says nothing delays
// no stop. The sign-in is as it was.
func TestStoppedBeforeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthtest.Options{})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	errStopped := errors.New("stopped")
	connected := make(chan net.Conn, 1)
	go func() {
		defer close(connected)
		conn, err := silent.Accept()
		if err == nil {
			connected <- conn
			stop(errStopped)
		}
	}()
	t.Cleanup(func() {
		_ = silent.Close()
		for conn := range connected {
			_ = conn.Close()
		}
	})
	w.change(t, func(row *ledger.Token) { row.URL = "https://" + silent.Addr().String() + "/token" })
	w.clock.move(2 * time.Hour)
	if _, err := w.tokens.Get(ctx, w.store, w.client); !errors.Is(err, errStopped) || isSignInError(err) {
		t.Errorf("got %v, want why it was stopped", err)
	}
	w.change(t, func(row *ledger.Token) {
		if !row.Asked.IsZero() || row.Refusal.Count > 0 {
			t.Error("a renewal that was never sent counts as one without an answer, or as refused")
		}
		row.URL = w.client.Endpoints.Token
	})
	wantToken(t, w.tokens, w.store, w.client, w.Provider)
}

// TestStoppedWhereItDoesNoHarm: where a refresh token is never replaced, nobody waits
// for the answer.
func TestStoppedWhereItDoesNoHarm(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var slow atomic.Bool
	returned := make(chan struct{})
	w := newWorld(t, oauthtest.Options{Keeps: true, Granted: func(url.Values) {
		if slow.Load() {
			stop()
			<-returned
		}
	}})
	w.clock.move(2 * time.Hour)
	wantToken(t, w.tokens, w.store, w.client, w.Provider) // now it is known
	slow.Store(true)
	w.clock.move(2 * time.Hour)
	_, err := w.tokens.Get(ctx, w.store, w.client)
	slow.Store(false)
	close(returned)
	if !errors.Is(err, context.Canceled) || isSignInError(err) {
		t.Errorf("got %v, want that it was stopped", err)
	}
	wantToken(t, w.tokens, w.store, w.client, w.Provider)
}

// isSignInError reports whether an error says that something is wrong with a sign-in.
func isSignInError(err error) bool {
	_, ok := errors.AsType[*oauth.Error](err)
	return ok
}

// change changes the sign-in in the ledger.
func (w *world) change(t *testing.T, do func(*ledger.Token)) {
	t.Helper()
	changeToken(t, w.store, w.client, do)
}

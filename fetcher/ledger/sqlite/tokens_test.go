package sqlite

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

var tokenKey = ledger.TokenKey{Provider: "https://login.example.net/token", Client: "client", User: "leo@example.net"}

// signIn returns a sign-in in which every field says something.
func signIn() ledger.Token {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return ledger.Token{
		TokenKey: tokenKey, Access: "access-hunter2", Refresh: "refresh-hunter2", URL: "https://login.example.net/token", Header: true, Scopes: "mail offline_access",
		Signed: at, Obtained: at.Add(time.Second), Ends: at.Add(time.Hour), Until: at.Add(7 * 24 * time.Hour), Rotation: ledger.RotationSeen, Asked: at.Add(2 * time.Second),
		Refusal: ledger.Refusal{Cause: ledger.Cause{Code: "signin_refused", Text: "no"}, At: at.Add(3 * time.Second), Count: 2}, Told: at.Add(4 * time.Second),
	}
}

func leaseToken(t *testing.T, s *Store, key ledger.TokenKey) *TokenLease {
	t.Helper()
	l, err := s.leaseToken(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	return l
}

// TestTokens: a sign-in comes back as it was written, and nothing of it is left in
// the file once it is gone.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	if _, err := s.Token(t.Context(), tokenKey); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("no sign-in: %v, want ErrNotFound", err)
	}
	l := leaseToken(t, s, tokenKey)
	want := signIn()
	if err := l.Put(t.Context(), want, 9000); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Token(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back %#v, %v", got, err)
	}
	want.Access, want.Asked = "access-2", time.Time{}
	if err := l.Put(t.Context(), want, 0); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Tokens(t.Context()); err != nil || !reflect.DeepEqual(list, []ledger.Token{want}) {
		t.Errorf("all of them: %d, %v", len(list), err)
	}
	if err := errors.Join(l.Delete(t.Context()), l.Delete(t.Context()), l.Release(), s.Close()); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(octets), "hunter2") || strings.Contains(string(octets), "access-2") {
		t.Error("a token is left in the ledger's file")
	}
}

// TestTokenLease: one holder at a time, whichever store it has; another sign-in
// has a lease of its own.
func TestTokenLease(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s, other := create(t, path), create(t, path)
	l := leaseToken(t, s, tokenKey)
	short, cancel := context.WithTimeout(t.Context(), 3*tokenLockRetry)
	defer cancel()
	for _, store := range []*Store{s, other} {
		if _, err := store.LeaseToken(short, tokenKey); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second lease: %v, want that of its context", err)
		}
	}
	leaseToken(t, other, ledger.TokenKey{Provider: tokenKey.Provider, Client: tokenKey.Client, User: "ada@example.net"})
	if err := l.Put(t.Context(), signIn(), 0); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if got, err := leaseToken(t, other, tokenKey).Token(t.Context()); err != nil || got.Refresh != signIn().Refresh {
		t.Errorf("the next holder does not read what the last one wrote: %v", err)
	}
}

// TestTokenLeaseLost: whose lock file was replaced writes no more.
func TestTokenLeaseLost(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	l := leaseToken(t, s, tokenKey)
	if err := os.Remove(l.lock.Path()); err != nil {
		t.Fatal(err)
	}
	next := leaseToken(t, s, tokenKey)
	if err := l.Put(t.Context(), signIn(), 0); !errors.Is(err, ErrTokenLost) {
		t.Errorf("written without the lease: %v, want ErrTokenLost", err)
	}
	if err := next.Put(t.Context(), signIn(), 0); err != nil {
		t.Error(err)
	}
}

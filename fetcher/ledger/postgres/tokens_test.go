package postgres_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/seal"
)

func key(letter string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n"
}

func sealer(t *testing.T, keys string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signIn returns a sign-in in which every field says something.
func signIn() ledger.Token {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return ledger.Token{
		TokenKey: ledger.TokenKey{Provider: "https://login.example.net/token", Client: "client", User: "leo@example.net"}, Access: "access-hunter2", Refresh: "refresh-hunter2", URL: "https://login.example.net/token", Header: true, Scopes: "mail offline_access",
		Signed: at, Obtained: at.Add(time.Second), Ends: at.Add(time.Hour), Until: at.Add(7 * 24 * time.Hour), Rotation: ledger.RotationSeen, Asked: at.Add(2 * time.Second),
		Refusal: ledger.Refusal{Cause: ledger.Cause{Code: "signin_refused", Text: "no"}, At: at.Add(3 * time.Second), Count: 2}, Told: at.Add(4 * time.Second),
	}
}

// TestTokens: a sign-in comes back as it was written, sealed on the way; a key that
// was put in front of the old one changes nothing, one that was taken out does.
func TestTokens(t *testing.T) {
	f := setup(t, shared(t))
	store := func(keys string) *postgres.Store {
		return opened(t, f.url, postgres.Options{Seal: sealer(t, keys)})
	}
	a, want := store(key("a")), signIn()
	lease, err := a.LeaseToken(t.Context(), want.TokenKey)
	f.must(err)
	f.must(lease.Put(t.Context(), want, 9000))
	u, err := url.Parse(f.url)
	f.must(err)
	f.server.Exec(t, u.Path[1:], `DO $$ BEGIN
		ASSERT (SELECT count(*) = 1 FROM popferry.tokens), 'no token';
		ASSERT (SELECT tokens::text NOT LIKE '%hunter2%' AND position('hunter2'::bytea IN access || refresh) = 0 FROM popferry.tokens), 'a token can be read';
	END $$`)
	for _, s := range []*postgres.Store{a, store(key("b") + key("a"))} {
		if got, err := s.Token(t.Context(), want.TokenKey); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read back %#v, %v", got, err)
		}
		if list, err := s.Tokens(t.Context()); err != nil || !reflect.DeepEqual(list, []ledger.Token{want}) {
			t.Errorf("all of them: %d, %v", len(list), err)
		}
	}
	for _, s := range []*postgres.Store{f.store, store(key("b"))} {
		_, err := s.Token(t.Context(), want.TokenKey)
		if _, ok := errors.AsType[*seal.Error](err); !ok {
			t.Errorf("without the key: %v, want an error that says so", err)
		}
	}
	f.wants("moved to another user", func() error {
		f.server.Exec(t, u.Path[1:], "UPDATE popferry.tokens SET username = 'eve@example.net'")
		_, err := a.Token(t.Context(), want.TokenKey)
		if _, ok := errors.AsType[*seal.Error](err); ok {
			return nil
		}
		return errors.New("it can be used there")
	}(), nil)
	f.must(lease.Delete(t.Context()))
	_, err = lease.Token(t.Context())
	f.wants("deleted", err, ledger.ErrNotFound)
	f.must(lease.Release())
}

// TestTokenLease: one holder at a time, in this process and others.
func TestTokenLease(t *testing.T) {
	f := setup(t, shared(t))
	name := signIn().TokenKey
	lease, err := f.store.LeaseToken(t.Context(), name)
	f.must(err)
	second := f.open("second")
	done := make(chan error, 2)
	for _, s := range []*postgres.Store{f.store, second} {
		go func() {
			l, err := s.LeaseToken(t.Context(), name)
			if err == nil {
				err = l.Release()
			}
			done <- err
		}()
	}
	select {
	case err := <-done:
		t.Errorf("a second lease: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	f.must(lease.Release())
	f.must(errors.Join(<-done, <-done))
}

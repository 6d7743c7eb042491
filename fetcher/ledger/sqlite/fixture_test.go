package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// create opens a new ledger until the end of the test.
func create(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path, Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// lease makes an account and takes its lease until the end of the test.
func lease(t testing.TB, s *Store) *Lease {
	t.Helper()
	accounts, err := s.Claim(context.Background(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.lease(context.Background(), accounts[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	return l
}

func held(uid string) *ledger.Record {
	return &ledger.Record{Known: ledger.Known{UID: uid, State: ledger.Held}}
}

func count(t testing.TB, l *Lease) int {
	t.Helper()
	known, err := l.Known(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return known.Len()
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "popferry.db") }

// mustBe fails unless err is an *Error of a kind.
func mustBe(t testing.TB, err error, want Kind) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Errorf("error %v, want one of kind %q", err, want)
	}
}

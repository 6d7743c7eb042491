package statecopy

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

func place(t *testing.T) Place {
	t.Helper()
	path := filepath.Join(t.TempDir(), "popferry.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return Place{Config: &config.Config{State: path, Path: "new.yaml"}, Store: s}
}

func claim(t *testing.T, s ledger.Store) ledger.Lease {
	t.Helper()
	accounts, err := s.Claim(t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Lease(t.Context(), accounts[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestPolled: an account that is being polled is waited for, and then nothing is copied.
func TestPolled(t *testing.T) {
	t.Parallel()
	from, to := place(t), place(t)
	l := claim(t, from.Store)
	_, err := Copy(t.Context(), from, to, 10*time.Millisecond)
	if !errors.Is(err, ledger.ErrLeased) || !strings.Contains(err.Error(), "isp") || !strings.Contains(err.Error(), "stop all popferrys") {
		t.Errorf("error %v, want one that names the account and says what to do", err)
	}
	if accounts, err := to.Store.Accounts(t.Context()); err != nil || len(accounts) > 0 {
		t.Errorf("%d accounts were copied, %v; want none", len(accounts), err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = l.Release() })
	if done, err := Copy(t.Context(), from, to, time.Minute); err != nil || done.Accounts != 1 {
		t.Errorf("copied %+v, %v; want one account once its poll has ended", done, err)
	}
}

// TestMissingCopy: a retained copy that is not there is told, and holds nothing up.
func TestMissingCopy(t *testing.T) {
	t.Parallel()
	from, to := place(t), place(t)
	l := claim(t, from.Store)
	if err := errors.Join(l.Put(t.Context(), &ledger.Record{Known: ledger.Known{UID: "1", State: ledger.Deferred, CopyFile: "1-a.eml"}}), l.Release()); err != nil {
		t.Fatal(err)
	}
	done, err := Copy(t.Context(), from, to, time.Minute)
	if err != nil || !slices.Equal(done.Missing, []string{"1-a.eml"}) || done.Messages != 1 || done.Copies != 0 {
		t.Errorf("copied %+v, %v; want the message, and that its copy is missing", done, err)
	}
}

// full is a ledger whose disk is full.
type full struct{ ledger.Store }

var errFull = errors.New("disk full")

func (full) Fill(context.Context, ledger.Contents) error { return errFull }

// TestFailed: the old ledger is still the one to use.
func TestFailed(t *testing.T) {
	t.Parallel()
	from, to := place(t), place(t)
	l := claim(t, from.Store)
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), from, Place{to.Config, full{to.Store}}, time.Minute); !errors.Is(err, errFull) {
		t.Errorf("error %v, want %v", err, errFull)
	}
	if err := claim(t, from.Store).Release(); err != nil {
		t.Errorf("a lease of the old one: %v", err)
	}
}

package admin_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/admin"
	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// open makes a ledger with the account isp, in which another program has fetched
// these UIDs.
func open(t *testing.T, uids ...string) (*sqlite.Store, *admin.Account) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "popferry.db"), sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	isp := ledger.Identity{Name: "isp", Username: "leo", Host: "pop.isp.test"}
	if _, err := admin.MarkFetched(t.Context(), store, "mpop", []admin.Fetched{{Identity: isp, UIDs: uids}}, admin.Wait{}); err != nil {
		t.Fatal(err)
	}
	account, err := admin.Open(t.Context(), store, "isp")
	if err != nil {
		t.Fatal(err)
	}
	return store, account
}

// change makes a change under the lease.
func change(ctx context.Context, a *admin.Account, c admin.StateChange, uids ...string) (changed []admin.Changed, err error) {
	err = a.WithLease(ctx, admin.Wait{}, func(l *admin.Leased) error {
		changed, err = l.Change(ctx, c, admin.Selection{UIDs: uids})
		return err
	})
	return changed, err
}

func TestOpenNamesTheAccountsOfTheLedger(t *testing.T) {
	t.Parallel()
	store, _ := open(t, "1")
	_, err := admin.Open(t.Context(), store, "spi")
	if _, ok := errors.AsType[*app.UsageError](err); !ok || !strings.Contains(err.Error(), `no account "spi"; it has: isp`) {
		t.Errorf("Open of an unknown account: %v, want a UsageError that names isp", err)
	}
}

func TestChangeIsAllOrNothing(t *testing.T) {
	t.Parallel()
	_, a := open(t, "1", "2")
	if _, err := change(t.Context(), a, admin.Retry(), "1", "no-such"); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a UID that is not there: %v, want an error that says that nothing was changed", err)
	}
	if _, err := change(t.Context(), a, admin.Skip(), "1"); err == nil || !strings.Contains(err.Error(), "cannot skip 1 in state skipped (only: deferred, held, unknown)") {
		t.Errorf("skip of a skipped message: %v, want an error with the states that can be skipped", err)
	}
	got, err := change(t.Context(), a, admin.Retry(), "1")
	if want := []admin.Changed{{UID: "1", Was: ledger.Skipped}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("retry: %+v, %v; want %+v", got, err, want)
	}
	all, err := a.Messages(t.Context(), ledger.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if want := map[string]ledger.State{"1": ledger.Deferred, "2": ledger.Skipped}[r.UID]; r.State != want {
			t.Errorf("%s is %v, want %v", r.UID, r.State, want)
		}
	}
}

func TestMarkFetchedCountsWhatIsNew(t *testing.T) {
	t.Parallel()
	store, a := open(t, "1", "2")
	again := []admin.Fetched{{Identity: a.Identity, UIDs: []string{"2", "3"}, Spellings: []string{"4"}}}
	marked, err := admin.MarkFetched(t.Context(), store, "mpop", again, admin.Wait{})
	if err != nil || marked["isp"] != 1 {
		t.Errorf("marked %v, %v; want 1 of isp", marked, err)
	}
	if n, err := a.Count(t.Context()); err != nil || n != 4 {
		t.Errorf("%d messages, %v; want 4: another spelling has a row, too", n, err)
	}
	other := []admin.Fetched{{Identity: ledger.Identity{Name: "isp", Username: "zoe", Host: "pop.isp.test"}, UIDs: []string{"5"}}}
	_, err = admin.MarkFetched(t.Context(), store, "mpop", other, admin.Wait{})
	if _, ok := errors.AsType[*app.ConfigError](err); !ok {
		t.Errorf("another mailbox under the name isp: %v, want a ConfigError", err)
	}
}

func TestWithLeaseWaitsAsLongAsAllowed(t *testing.T) {
	t.Parallel()
	store, a := open(t, "1")
	lease, err := store.Lease(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	began := 0
	err = a.WithLease(t.Context(), admin.Wait{Limit: time.Millisecond, Began: func(string) { began++ }}, func(*admin.Leased) error {
		t.Error("called without the lease, want no call")
		return nil
	})
	if !errors.Is(err, ledger.ErrLeased) || began != 1 {
		t.Errorf("while a poll has the lease: %v, said %d times; want ErrLeased, said once", err, began)
	}
	called := false
	err = a.WithLease(t.Context(), admin.Wait{Limit: time.Minute, Began: func(string) {
		if err := lease.Release(); err != nil {
			t.Error(err)
		}
	}}, func(*admin.Leased) error {
		called = true
		return nil
	})
	if err != nil || !called {
		t.Errorf("after the poll: %v, called %v; want no error, and a call", err, called)
	}
}

func TestRenameAndForget(t *testing.T) {
	t.Parallel()
	store, a := open(t, "1", "2")
	to := ledger.Identity{Name: "home", Username: "leo", Host: "pop.isp.test"}
	if err := a.WithLease(t.Context(), admin.Wait{}, func(l *admin.Leased) error { return l.Rename(t.Context(), to) }); err != nil {
		t.Fatal(err)
	}
	a, err := admin.Open(t.Context(), store, "home")
	if err != nil {
		t.Fatal(err)
	}
	err = a.WithLease(t.Context(), admin.Wait{}, func(l *admin.Leased) error {
		done, err := l.Forget(t.Context(), t.TempDir(), false)
		if done != (admin.Forgotten{Messages: 2}) {
			t.Errorf("forgotten %+v, want 2 messages", done)
		}
		return err
	})
	if accounts, listErr := store.Accounts(t.Context()); err != nil || listErr != nil || len(accounts) > 0 {
		t.Errorf("after Forget: accounts %v, %v, %v; want none", accounts, err, listErr)
	}
}

func TestAdoptNeedsARenumberedMailbox(t *testing.T) {
	t.Parallel()
	_, a := open(t, "1")
	for name, answer := range map[string]func(*admin.Leased, context.Context) error{"adopt": (*admin.Leased).Adopt, "resend": (*admin.Leased).Resend} {
		err := a.WithLease(t.Context(), admin.Wait{}, func(l *admin.Leased) error { return answer(l, t.Context()) })
		if !errors.Is(err, admin.ErrNotRenumbered) {
			t.Errorf("%s: %v, want ErrNotRenumbered", name, err)
		}
	}
}

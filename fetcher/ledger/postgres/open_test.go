package postgres_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

// refused fails unless the ledger cannot be opened, for a reason.
func refused(t *testing.T, url string, o postgres.Options, want error, words ...string) {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, o)
	if err == nil {
		_ = s.Close()
		t.Fatalf("opened, want %v %q", want, words)
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error is %q, want %q in it", err, w)
		}
	}
}

func opened(t *testing.T, url string, o postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestMissing(t *testing.T) {
	t.Parallel()
	url := shared(t).New(t)
	refused(t, url, postgres.Options{}, ledger.ErrMissing)
	refused(t, url, postgres.Options{Create: true, Look: true}, ledger.ErrMissing)
	opened(t, url, postgres.Options{Create: true})
	opened(t, url, postgres.Options{})
	opened(t, url, postgres.Options{Look: true})
}

// TestVersions: a ledger of a newer version can be used, unless it says that it
// cannot.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := shared(t)
	address := s.New(t)
	opened(t, address, postgres.Options{Create: true})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := u.Path[1:]
	s.Exec(t, database, "UPDATE popferry.ledger SET version = 1000")
	opened(t, address, postgres.Options{})
	s.Exec(t, database, "UPDATE popferry.ledger SET oldest = 1000")
	refused(t, address, postgres.Options{}, ledger.ErrNewer, "version 1000")
	s.Exec(t, database, "UPDATE popferry.ledger SET oldest = 1, version = 0")
	refused(t, address, postgres.Options{Look: true}, nil, "a command that only looks does not change them")
}

func TestUnsafe(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t, "fsync = off")
	refused(t, s.New(t), postgres.Options{Create: true}, nil, "fsync = off", "set fsync = on")
}

// TestRefused: each failure says what to do, and shows no password.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := shared(t)
	database := s.New(t)
	with := func(old, new string) string { return strings.Replace(database, old, new, 1) }
	for name, test := range map[string]struct{ url, words string }{
		"no server":   {with(":5432/", ":1/"), "cannot be reached"},
		"no database": {s.URL("nothing"), "CREATE DATABASE"},
		"no user":     {with("popferry@", "nobody:hunter2@"), "nobody"},
		"no address":  {"postgres://popferry:hunter2@/%zz", ""},
		"no sslmode":  {with("sslmode=disable", "sslmode=hunter"), "sslmode"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), test.url, postgres.Options{Create: true})
			if err == nil || !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q in it, and no password", err, test.words)
			}
		})
	}
}

// TestPooling: a pooler that gives each transaction another session is found out; one
// that keeps them is none.
func TestPooling(t *testing.T) {
	t.Parallel()
	s := shared(t)
	for _, test := range []struct {
		mode, more string
		ok         bool
	}{
		{"session", "", true},
		{"transaction", "", false},
		{"transaction", "server_round_robin = 1", false},
		{"transaction", "default_pool_size = 1", false},
		{"statement", "", false},
	} {
		t.Run(test.mode+" "+test.more, func(t *testing.T) {
			t.Parallel()
			address := s.New(t)
			pooled := s.Bouncer(t, address, "pool_mode = "+test.mode, test.more)
			if !test.ok {
				refused(t, pooled, postgres.Options{Create: true}, nil, "pool_mode = session")
				return
			}
			store := opened(t, pooled, postgres.Options{Create: true})
			if err := store.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOtherLedger: behind the name there is another database than before.
func TestOtherLedger(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	u, err := url.Parse(f.url)
	f.must(err)
	f.server.Exec(t, u.Path[1:], "UPDATE popferry.ledger SET id = gen_random_uuid()")
	f.cut(f.name)
	f.until("it is found out", func() error {
		var e *server.Error
		if err := l.Put(t.Context(), intent()); !errors.As(err, &e) || e.Kind != server.Replaced {
			return errors.New("not yet")
		}
		return nil
	})
}

// TestSettings: the server ends a session that is silent, before another process can
// take its locks for free and while this one still believes in them.
func TestSettings(t *testing.T) {
	f := setup(t, shared(t))
	got, err := postgres.Settings(f.store, "idle_session_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout", "statement_timeout", "search_path")
	f.must(err)
	if want := "30s 30s 30000 15s popferry"; strings.Join(got, " ") != want {
		t.Errorf("settings %v, want %s", got, want)
	}
}

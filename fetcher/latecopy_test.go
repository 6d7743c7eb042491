package fetcher_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/retained"
)

// While a process cannot reach the ledger, another one polls the mailbox, which lists the
// message again, and forwards it. The copy that the first one writes late is of a message
// that has arrived, and is not sent.
func TestLateCopyOfAForwardedMessageIsNotSent(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	at := database.New(t)
	parsed, err := url.Parse(at)
	must(t, err)
	given := make(map[int][]string)
	var f *fixture
	f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "CAPA":
			s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
			return true
		case verb == "RETR" && m != nil:
			given[s.Number] = append(given[s.Number], m.UID)
		case verb == "QUIT":
			f.hide(given[s.Number]...)
		}
		return false
	}})
	open := func(name string) *postgres.Store {
		store, err := postgres.Open(t.Context(), at+"&application_name="+name, postgres.Options{Create: true})
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		return store
	}
	options := func(store *postgres.Store, wrap func(ledger.Lease) fetcher.Lease) fetcher.Options {
		o := f.options()
		o.Routes, o.Now = store, nil
		o.Lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			return wrap(l), nil
		}
		return o
	}
	first, second := open("first"), open("second")
	rows, err := first.Claim(t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	must(t, err)
	f.account.ID = rows[0].ID
	f.add("m1")
	other := options(second, func(l ledger.Lease) fetcher.Lease { return l })
	cut := sync.OnceFunc(func() {
		database.Exec(t, "postgres", fmt.Sprintf("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'first' AND datname = '%s'", parsed.Path[1:]))
		for range 100 {
			if r := fetcher.New(other).Poll(t.Context(), f.account, true); r.Skip != fetcher.Leased {
				t.Log("the other process: ", inWords(r))
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	o := options(first, func(l ledger.Lease) fetcher.Lease { return cutAtCopy{l, l.(retained.Keeper), cut} })
	for range 3 {
		t.Log(inWords(fetcher.New(o).Poll(t.Context(), f.account, true)))
	}
	f.wantArrived("m1")
}

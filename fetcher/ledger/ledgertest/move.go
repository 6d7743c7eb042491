package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// testMove: a ledger that is filled from another one has all that it had, with the same
// ids, and goes on from there. The other one is used no more.
func testMove(t *testing.T, k Kind) {
	f := setup(t, k)
	other := claim(t, f.store, ledger.Identity{Name: "isp", Username: "leo", Host: "pop.example.net", Port: 995}, ledger.Identity{Name: "work", Username: "mia", Host: "mail.example.org", Port: 995})[1]
	gone, whole, held := in(ledger.Forwarded, "gone"), full(), in(ledger.Held, "held")
	f.put(t, gone, whole, held)
	must(t, sends(t, f.lease, perHour(9, 1), "sent", 100))
	a := f.account
	a.Listed, a.OnServer, a.Server.Given, a.Refusals.Count = epoch, 3, ledger.Given{whole.ID}, 2
	must(t, f.lease.PutAccount(f, a))
	must(t, f.store.PutNotices(f, ledger.Notice{Account: other.ID, Since: epoch, Held: []int64{held.ID}}))
	key := ledger.RouteKey{Destination: "main", Server: "mx.example.org:25"}
	must(t, f.store.PutRoute(f, ledger.Route{RouteKey: key}, ledger.Route{RouteKey: key, Failures: 2, NotBefore: epoch, Cause: ledger.Cause{Code: "x", Text: "y"}}))
	must(t, f.store.PutFacts(f, key, "facts"))
	l, err := f.store.LeaseToken(f, signInKey)
	must(t, err)
	must(t, l.Put(f, signIn(), 100))
	must(t, l.Release())

	want := contents(t, f.store)
	mustBeComplete(t, want)
	address := k.New(t)
	to := open(t, k, address)
	failing := want
	failing.Records = func(context.Context, func(*ledger.Record) error) error { return errUnread }
	wantError(t, "a ledger that cannot be read", to.Fill(f, failing), errUnread)
	must(t, to.Fill(f, want))
	equal(t, "contents", plain(t, contents(t, to)), plain(t, want))
	wantError(t, "filling it once more", to.Fill(f, want), ledger.ErrNotEmpty)
	next := take(t, to, f.account.ID)
	added := in(ledger.Held, "added")
	must(t, next.Put(f, added))
	if added.ID <= held.ID {
		t.Errorf("a new message has the id %d, want one beyond %d", added.ID, held.ID)
	}
	if third := claim(t, to, a.Identity, ledger.Identity{Name: "third", Username: "x", Host: "y", Port: 995})[1]; third.ID <= other.ID {
		t.Errorf("a new account has the id %d, want one beyond %d", third.ID, other.ID)
	}

	must(t, f.lease.Release())
	must(t, f.store.MarkMoved(f, "postgres://db/popferry"))
	var moved *ledger.MovedError
	if _, err := f.store.Lease(f, f.account.ID); !errors.As(err, &moved) || moved.To != "postgres://db/popferry" {
		t.Errorf("a lease of a ledger that has moved: error %v, want one that says where", err)
	}
	if s, err := k.Open(f, f.address, nil); !errors.As(err, &moved) {
		t.Errorf("opening a ledger that has moved: error %v, want one that says where", err)
		if err == nil {
			must(t, s.Close())
		}
	}
}

var errUnread = errors.New("the test does not read it")

// contents are those of a ledger without octets.
func contents(t *testing.T, s ledger.Store) ledger.Contents {
	t.Helper()
	c, err := ledger.ReadContents(t.Context(), s)
	must(t, err)
	c.OpenCopy = func(context.Context, int64, string) (io.WriterTo, error) { return nil, fs.ErrNotExist }
	return c
}

// plain are contents that can be compared.
func plain(t *testing.T, c ledger.Contents) string {
	t.Helper()
	var records []ledger.Record
	must(t, c.Records(t.Context(), func(r *ledger.Record) error {
		records = append(records, *r)
		return nil
	}))
	text := fmt.Sprintf("%+v %+v %+v %+v %+v %+v", c.Accounts, records, c.Days, c.Routes, c.Notices, c.Sent)
	for _, token := range c.Tokens {
		text += fmt.Sprint(token.Access, token.Refresh, token.TokenKey, token.Refusal, token.Until)
	}
	return text
}

func mustBeComplete(t *testing.T, c ledger.Contents) {
	t.Helper()
	if len(c.Accounts) != 2 || len(c.Days) == 0 || len(c.Routes) != 1 || len(c.Notices) != 1 || len(c.Tokens) != 1 || len(c.Sent) != 1 {
		t.Fatalf("the ledger to be moved has %+v, want something of each kind", c)
	}
}

package ledgertest

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testRename(t *testing.T, k Kind) {
	f := setup(t, k)
	f.put(t, in(ledger.Forwarded, "1"))
	want := f.account
	want.Failures, want.Server = 3, ledger.ServerFacts{NoCAPA: true, LastLogin: epoch}
	must(t, f.lease.PutAccount(f, want))
	other := claim(t, f.store, ledger.Identity{Name: "other", Username: "o", Host: "h"})[0]

	taken := want.Identity
	taken.Name = other.Name
	if err := f.lease.Rename(f, taken); !errors.Is(err, ledger.ErrNameTaken) {
		t.Errorf("a name that is taken: %v", err)
	}
	want.Name, want.Host = "a new name", "POP.Example.Net"
	must(t, f.lease.Rename(f, want.Identity))
	accounts, err := f.store.Accounts(f)
	must(t, err)
	equal(t, "renamed", accounts, []ledger.Account{want, other})

	want.Username, want.Host, want.Server = "eva", "pop.example.org", ledger.ServerFacts{}
	must(t, f.lease.Rename(f, want.Identity))
	accounts, err = f.store.Accounts(f)
	must(t, err)
	equal(t, "moved to another host", accounts, []ledger.Account{want, other})
	if n := len(f.known(t)); n != 1 {
		t.Errorf("the renamed account has %d rows", n)
	}
	equal(t, "claimed by the new name", claim(t, f.store, want.Identity), []ledger.Account{want})
}

func testForget(t *testing.T, k Kind) {
	f := setup(t, k)
	r := in(ledger.Held, "1")
	r.Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Held}}
	f.put(t, r, in(ledger.Forwarded, "2"))
	other := claim(t, f.store, ledger.Identity{Name: "other", Username: "o", Host: "h"})[0]
	kept := in(ledger.Held, "1")
	must(t, take(t, f.store, other.ID).Put(f, kept))

	n, err := f.lease.Forget(f)
	must(t, err)
	if n != 2 {
		t.Errorf("it had %d messages", n)
	}
	accounts, err := f.store.Accounts(f)
	must(t, err)
	equal(t, "Accounts", accounts, []ledger.Account{other})
	counts, err := f.store.Counts(f)
	must(t, err)
	equal(t, "Counts", counts, map[int64]map[ledger.State]int{other.ID: {ledger.Held: 1}})
	days, err := f.store.Days(f, epoch.AddDate(-1, 0, 0))
	must(t, err)
	equal(t, "Days", days, []ledger.Day{{Account: other.ID, Date: epoch.Format(time.DateOnly), Outcome: ledger.Held, Count: 1}})

	for name, err := range map[string]error{
		"Put":        f.lease.Put(f, in(ledger.Held, "3")),
		"PutAccount": f.lease.PutAccount(f, f.account),
		"Rename":     f.lease.Rename(f, f.account.Identity),
	} {
		if err == nil {
			t.Errorf("%s after Forget: no error", name)
		}
	}
	if _, err := f.lease.Forget(f); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("forgotten twice: %v", err)
	}
	must(t, f.lease.Release())
	if _, err := f.store.Lease(f, f.account.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the lease of a forgotten account: %v", err)
	}
	if again := claim(t, f.store, f.account.Identity)[0]; again.ID == f.account.ID {
		t.Error("the ID of a forgotten account was given again")
	}
}

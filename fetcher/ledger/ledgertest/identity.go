package ledgertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testRename(t *testing.T, k Kind) {
	f := setup(t, k)
	f.put(t, in(ledger.Forwarded, "1"))
	want := f.account
	want.Failures, want.NotBefore, want.Server = 3, epoch, ledger.ServerFacts{
		Unanswered: ledger.Unanswered{NoCAPA: fact(true, epoch, 2)}, Capabilities: ledger.Capabilities{Expires: fact(true, epoch, 1)},
		Habits: ledger.Habits{RetrHides: fact(true, epoch, 3)}, LastLogin: epoch,
	}
	must(t, f.lease.PutAccount(f, want))
	other := claim(t, f.store, ledger.Identity{Name: "other", Username: "o", Host: "h"})[0]

	taken := want.Identity
	taken.Name = other.Name
	wantError(t, "a name that is taken", f.lease.Rename(f, taken), ledger.ErrNameTaken)
	want.Name, want.Host = "a new name", "POP.Example.Net"
	must(t, f.lease.Rename(f, want.Identity))
	accounts, err := f.store.Accounts(f)
	must(t, err)
	equal(t, "renamed", accounts, []ledger.Account{want, other})

	want.Username, want.Host, want.NotBefore = "eva", "pop.example.org", time.Time{}
	want.Server = ledger.ServerFacts{Capabilities: ledger.Capabilities{Expires: fact(true, epoch, 1)}, Habits: ledger.Habits{RetrHides: fact(true, epoch, 3)}} // what protects mail stays
	must(t, f.lease.Rename(f, want.Identity))
	accounts, err = f.store.Accounts(f)
	must(t, err)
	equal(t, "moved to another host", accounts, []ledger.Account{want, other})
	equal(t, "rows of the renamed account", len(f.known(t)), 1)
	equal(t, "claimed by the new name", claim(t, f.store, want.Identity), []ledger.Account{want})
}

// testClaimMoved: the UIDs of an account whose mailbox was edited prove nothing.
func testClaimMoved(t *testing.T, k Kind) {
	f := setup(t, k)
	f.put(t, in(ledger.Forwarded, "1"), in(ledger.Held, "a\x00b"))
	want := f.account
	want.Failures, want.NotBefore, want.Listed, want.LastPoll = 3, epoch, epoch, epoch
	must(t, f.lease.PutAccount(f, want))
	uids := func() (list []string) {
		for _, known := range f.known(t) {
			list = append(list, known.UID)
		}
		return list
	}
	edited := ledger.Account{ID: f.account.ID, Identity: f.account.Identity, Listed: epoch, LastPoll: epoch}
	edited.Host = "pop.example.org"
	soon, cancel := context.WithTimeout(f, time.Second/10)
	defer cancel()
	_, err := f.store.Claim(soon, []ledger.Identity{edited.Identity})
	wantError(t, "while it is polled", err, ledger.ErrLeased)
	equal(t, "UIDs", uids(), []string{"1", "a\x00b"})
	must(t, f.lease.Release())
	for range 2 { // a second edit changes no UID once more
		equal(t, "edited", claim(t, f.store, edited.Identity), []ledger.Account{edited})
		equal(t, "UIDs", uids(), []string{"moved 1", "moved a\x00b"})
		edited.Host = "pop.example.com"
	}
	f.lease = take(t, f.store, f.account.ID)
	f.put(t, in(ledger.Forwarded, "1")) // another message under a UID of before
	must(t, f.lease.Release())
	edited.Username = "eva"
	claim(t, f.store, edited.Identity)
	equal(t, "UIDs", uids(), []string{"moved 1", "moved a\x00b", "moved 1"})
}

// testClaimOfOthers: a configuration leaves alone what another one on the ledger polls.
func testClaimOfOthers(t *testing.T, k Kind) {
	f := setup(t, k)
	f.account.LastPoll = epoch
	must(t, f.lease.PutAccount(f, f.account))
	must(t, f.lease.Rename(f, ledger.Identity{Name: "isp", Username: "leo", Host: "pop.example.net", Port: 995})) // which says nothing of it
	other := ledger.Identity{Name: "other", Username: "leo", Host: "pop.example.org", Config: "/b.yaml"}
	got := claim(t, f.store, other)[0]
	equal(t, "of the same user", got.Identity, other)
	accounts, err := f.store.Accounts(f)
	must(t, err)
	equal(t, "accounts", accounts, []ledger.Account{f.account, got})

	other.Name, other.Username = "isp", "zoe"
	_, err = f.store.Claim(f, []ledger.Identity{other})
	var claimed *ledger.NameClaimedError
	if !errors.As(err, &claimed) {
		t.Fatalf("a claim of the same name: %v, want a *NameClaimedError", err)
	}
	equal(t, "the account of that name", claimed.Known, f.account)
}

// testClaimNames: accounts keep their rows where names are exchanged or passed on in one
// edit, also that of an account that is no longer configured, which gets another one.
func testClaimNames(t *testing.T, k Kind) {
	f := setup(t, k)
	f.put(t, in(ledger.Forwarded, "1"))
	mailbox := func(name, username string) ledger.Identity {
		return ledger.Identity{Name: name, Username: username, Host: "pop.example.net"}
	}
	ids := claim(t, f.store, mailbox("one", "a"), mailbox("two", "b"), mailbox("three", "c"))
	for _, tt := range []struct {
		what   string
		claims []ledger.Identity
		want   []string // the names of a, b and c
	}{
		{"exchanged", []ledger.Identity{mailbox("two", "a"), mailbox("one", "b"), mailbox("three", "c")}, []string{"two", "one", "three"}},
		{"passed on", []ledger.Identity{mailbox("one", "a"), mailbox("three", "b"), mailbox("four", "c")}, []string{"one", "three", "four"}},
		{"of one that was removed", []ledger.Identity{mailbox("three", "a"), mailbox("four", "c")}, []string{"three", "three-2", "four"}},
		{"of one that was removed, again", []ledger.Identity{mailbox("three-2", "a"), mailbox("three", "c")}, []string{"three-2", "three-2-2", "three"}},
		{"as at first", []ledger.Identity{mailbox("one", "a"), mailbox("two", "b"), mailbox("three", "c")}, []string{"one", "two", "three"}},
	} {
		for _, a := range claim(t, f.store, tt.claims...) {
			if want := ids[a.Username[0]-'a'].ID; a.ID != want {
				t.Errorf("%s: the mailbox of %s is account %d, want %d", tt.what, a.Username, a.ID, want)
			}
		}
		accounts, err := f.store.Accounts(f)
		must(t, err)
		got := make([]string, len(ids))
		for _, a := range accounts {
			for i := range ids {
				if a.ID == ids[i].ID {
					got[i] = a.Name
				}
			}
		}
		equal(t, tt.what, got, tt.want)
	}
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
	equal(t, "messages forgotten", n, 2)
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
		wantFailure(t, name+" after Forget", err)
	}
	_, err = f.lease.Forget(f)
	wantError(t, "a second Forget", err, ledger.ErrNotFound)
	must(t, f.lease.Release())
	_, err = f.store.Lease(f, f.account.ID)
	wantError(t, "the lease of a forgotten account", err, ledger.ErrNotFound)
	if again := claim(t, f.store, f.account.Identity)[0]; again.ID == f.account.ID {
		t.Errorf("the account has the ID %d of the forgotten one, want a new ID", again.ID)
	}
}

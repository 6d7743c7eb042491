package ledgertest

import (
	"reflect"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testClaim(t *testing.T, k Kind) {
	f := setup(t, k)
	isp := f.account.Identity
	f.put(t, in(ledger.Forwarded, "1"))
	work := ledger.Identity{Name: "work", Username: "leo", Host: "mail.example.com"}

	got := claim(t, f.store, work, isp)
	if got[1].ID != f.account.ID || got[0].ID == 0 || got[0].ID == got[1].ID {
		t.Fatalf("the new account has ID %d, the known one %d; want another than %[3]d, and %[3]d", got[0].ID, got[1].ID, f.account.ID)
	}
	equal(t, "known accounts", got[1], f.account)

	renamed := isp
	renamed.Name, renamed.Host = "a new name", "POP.example.net"
	again := claim(t, f.store, renamed)
	equal(t, "renamed", again[0], ledger.Account{ID: f.account.ID, Identity: renamed})
	equal(t, "rows of the renamed account", len(f.known(t)), 1)
	accounts, err := f.store.Accounts(f)
	must(t, err)
	equal(t, "accounts by name", accounts, []ledger.Account{again[0], got[0]})
}

// fact is a fact that was seen in so many polls, for the last time then.
func fact[T comparable](v T, last time.Time, count int) ledger.Fact[T] {
	return ledger.Fact[T]{Value: v, First: last.AddDate(0, 0, -count), Last: last, Count: count}
}

func testAccount(t *testing.T, k Kind) {
	f := setup(t, k)
	at := func(n int) time.Time { return epoch.AddDate(0, 0, n) }
	seen := func(n int) ledger.Fact[bool] { return fact(true, at(n), n) }
	tried := ledger.Tried{Settings: "pop.example.net:995", Secret: "00:ffff", Changes: 3}
	want := ledger.Account{
		ID: f.account.ID, Identity: f.account.Identity,
		Listed: at(1), LastPoll: at(2), LastSuccess: at(3), Planned: ledger.Planned{Began: at(17), Settings: "0011", NextPoll: at(4)}, Failures: 5, NotBefore: at(6),
		Cause: ledger.Cause{Code: "login", Text: "-ERR [AUTH] nö"}, OnServer: 1 << 30, Postponed: 1 << 29,
		Server: ledger.ServerFacts{
			Unanswered:   ledger.Unanswered{NoCAPA: seen(10), NoCAPAAfterLogin: seen(11), NoUTF8: seen(12), NoNOOP: seen(13), NoTOP: seen(14), NoPipelining: seen(15)},
			Capabilities: ledger.Capabilities{Offers: fact("CAPA TLS", at(31), 2), Logins: fact("plain user", at(16), 1), NotLogins: fact("plain", at(17), 2), LoginDelay: fact(time.Minute, at(21), 3), Expires: seen(22), ExpireDays: fact(30, at(23), 4)},
			Habits:       ledger.Habits{WantsUTF8: seen(18), HasUIDL: seen(19), UIDNumbers: seen(20), RetrHides: seen(24), RetrKeeps: seen(25), WrongSizes: seen(26), RightSizes: seen(27), RetrTwice: seen(28)},
			Tried:        tried,
			Hides:        true, BadLogins: 2, LastLogin: at(7), LastBody: at(12), MostBodies: 44, Given: ledger.Given{1, 2, 3, 4, 5, 6, 7, 8}, Timeline: "system/1",
			LookFailed: at(29), PassedSince: at(30),
		},
		UIDs: ledger.UIDsRenumbered, Refusals: ledger.Refusals{Count: 12, Since: at(10), RetryAt: at(11), Chosen: true},
		Listings: ledger.Listings{Before: at(15), Last: at(16)},
	}
	mustBeFull(t, "Account", reflect.ValueOf(want))
	must(t, f.lease.PutAccount(f, want))
	f.sees(t, want)

	want.UIDs = ledger.UIDsAdopting
	must(t, f.lease.PutAccount(f, want))
	f.sees(t, want)

	want = ledger.Account{ID: f.account.ID, Identity: f.account.Identity}
	must(t, f.lease.PutAccount(f, want))
	f.sees(t, want)

	stale := want
	stale.Name = "the name in an old configuration"
	must(t, f.lease.PutAccount(f, stale))
	f.sees(t, want)
}

// sees fails unless the account is want, read with and without its lease.
func (f *fixture) sees(t *testing.T, want ledger.Account) {
	t.Helper()
	got, err := f.lease.Account(f)
	must(t, err)
	equal(t, "Account", got, want)
	all, err := f.store.Accounts(f)
	must(t, err)
	equal(t, "Accounts", all, []ledger.Account{want})
}

func testRoutes(t *testing.T, k Kind) {
	f := setup(t, k)
	key := ledger.RouteKey{Destination: "main", Server: "smtp mx.example.org:25", Recipients: "a@example.org"}
	unknown, err := f.store.Route(f, key)
	must(t, err)
	equal(t, "an unknown route", unknown, ledger.Route{RouteKey: key})

	failed := ledger.Route{RouteKey: key, Failures: 1, NotBefore: epoch, Cause: ledger.Cause{Code: "dial", Text: "refused"}}
	late := ledger.Route{RouteKey: key, Failures: 1, NotBefore: epoch.Add(time.Minute), Cause: ledger.Cause{Code: "other"}}
	again := ledger.Route{RouteKey: key, Failures: 2, NotBefore: epoch.Add(time.Hour), Tried: ledger.Tried{Settings: "smtp.example.org:587", Secret: "00:ffff", Changes: 1}, Cause: ledger.Cause{Code: "dial", Text: "refused"}}
	ahead := ledger.Route{RouteKey: key, LastSuccess: epoch.AddDate(100, 0, 0)}
	worked := ledger.Route{RouteKey: key, LastSuccess: epoch.Add(2 * time.Hour)}
	failedAgain := ledger.Route{RouteKey: key, Failures: 1, NotBefore: epoch.Add(3 * time.Hour), LastSuccess: epoch.Add(time.Hour)}
	for _, step := range []struct {
		name          string
		was, is, want ledger.Route
	}{
		{"the first failure", unknown, failed, failed},
		{"a failure at the same time as another", unknown, late, failed},
		{"the next failure", failed, again, again},
		{"a success, whatever was known", unknown, worked, worked},
		{"a success after one of a clock that was ahead", unknown, ahead, ahead},
		{"the clock is mended", ahead, worked, worked},
		{"a failure keeps the later success", worked, failedAgain, ledger.Route{RouteKey: key, Failures: 1, NotBefore: failedAgain.NotBefore, LastSuccess: worked.LastSuccess}},
	} {
		must(t, f.store.PutRoute(f, step.was, step.is))
		got, err := f.store.Route(f, key)
		must(t, err)
		equal(t, step.name, got, step.want)
	}

	other := ledger.Route{RouteKey: ledger.RouteKey{Destination: "main", Server: key.Server}, Failures: 1, Facts: `{"sessions":3}`}
	must(t, f.store.PutFacts(f, other.RouteKey, "{}"))
	must(t, f.store.PutRoute(f, ledger.Route{RouteKey: other.RouteKey}, other))
	must(t, f.store.PutFacts(f, other.RouteKey, other.Facts))
	must(t, f.store.PutRoute(f, other, other))
	got, err := f.store.Route(f, other.RouteKey)
	must(t, err)
	equal(t, "a route with facts", got, other)
	all, err := f.store.Routes(f)
	must(t, err)
	var keys []ledger.RouteKey
	for _, r := range all {
		keys = append(keys, r.RouteKey)
	}
	equal(t, "Routes", keys, []ledger.RouteKey{other.RouteKey, key})
}

package ledgertest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func testRoundTrip(t *testing.T, k Kind) {
	f := setup(t, k)
	empty, whole := in(ledger.Skipped, "1"), full()
	mustBeFull(t, "Record", reflect.ValueOf(*whole), "ID", "Account")
	f.put(t, empty, whole)
	if empty.ID == 0 || whole.ID == 0 || whole.ID == empty.ID || whole.Account != f.account.ID {
		t.Errorf("after Put the IDs are %d and %d, want two different ones; the account is %d, want %d", empty.ID, whole.ID, whole.Account, f.account.ID)
	}
	for _, want := range []*ledger.Record{empty, whole} {
		equal(t, "Record", f.record(t, want.ID), rounded(want))
	}
	equal(t, "Known", f.known(t), []ledger.Known{rounded(empty).Known, rounded(whole).Known})
	_, err := f.lease.Record(f, whole.ID+1)
	wantError(t, "a record that does not exist", err, ledger.ErrNotFound)
}

func testUIDs(t *testing.T, k Kind) {
	f := setup(t, k)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	uids := []string{"", "\x00", "\xff", "UID", "uid", "uid ", "ü", "u\xcc\x88", string(all), strings.Repeat("\xfe", 1024)}
	for _, uid := range uids {
		f.put(t, in(ledger.Forwarded, uid))
	}
	known := f.known(t)
	if len(known) != len(uids) {
		t.Fatalf("%d rows, want %d, one for each UID", len(known), len(uids))
	}
	for i, got := range known {
		if got.UID != uids[i] {
			t.Errorf("a UID came back as %q, want %q", got.UID, uids[i])
		}
	}
	// A server may say anything: no octets in a reply may stop a poll.
	r := in(ledger.Held, "reply")
	r.Cause.Text = "\xff\xfe not UTF-8"
	f.put(t, r)
	if got := f.record(t, r.ID).Cause.Text; !strings.HasSuffix(got, " not UTF-8") {
		t.Errorf("a reply came back as %q, want the part that is UTF-8: %q", got, " not UTF-8")
	}
}

func testGenerations(t *testing.T, k Kind) {
	f := setup(t, k)
	first, second := in(ledger.Forwarded, "1"), in(ledger.Held, "1")
	second.Generation = 1
	f.put(t, first, second)
	wantFailure(t, "a second row for one UID in one generation", f.lease.Put(f, in(ledger.Held, "1")))
	equal(t, "Known", f.known(t), []ledger.Known{first.Known, second.Known})
}

func testReplace(t *testing.T, k Kind) {
	f := setup(t, k)
	r := full()
	f.put(t, r)
	id := r.ID
	*r = *in(ledger.Deferred, "other")
	r.ID, r.Recipients = id, []ledger.Recipient{{Address: "b@example.org", State: ledger.Deferred}}
	f.put(t, r)
	equal(t, "Record", f.record(t, id), r)
	equal(t, "rows", len(f.known(t)), 1)
}

func testAllOrNothing(t *testing.T, k Kind) {
	f := setup(t, k)
	there := in(ledger.Deferred, "there")
	f.put(t, there)
	change, fresh := *there, in(ledger.Held, "fresh")
	change.State = ledger.Held
	for name, bad := range map[string]*ledger.Record{
		"UID that exists": in(ledger.Held, "there"),
		"no such state":   in(99, "bad"),
		"no state":        in(0, "bad"),
		"no such ID":      {Known: ledger.Known{ID: 1 << 40, UID: "bad", State: ledger.Held}},
		"recipient without a state": {Known: ledger.Known{UID: "bad", State: ledger.Held},
			Recipients: []ledger.Recipient{{Address: "a@example.org"}}},
		"deleted but not forwarded": {Known: ledger.Known{UID: "bad", State: ledger.Held, DeletedAt: epoch}},
	} {
		wantFailure(t, name, f.lease.Put(f, &change, fresh, bad))
		equal(t, name+": ID of a row that was not written", fresh.ID, int64(0))
		equal(t, name, f.known(t), []ledger.Known{there.Known})
	}
	days, err := f.store.Days(f, epoch)
	must(t, err)
	equal(t, "Days", days, []ledger.Day{{Account: f.account.ID, Date: "2026-02-28", Outcome: ledger.Deferred, Count: 1}})
}

func testWrongAccount(t *testing.T, k Kind) {
	f := setup(t, k)
	mine := in(ledger.Forwarded, "1")
	f.put(t, mine)
	other := take(t, f.store, claim(t, f.store, ledger.Identity{Name: "other", Username: "o", Host: "h"})[0].ID)
	for name, err := range map[string]error{
		"Put":        other.Put(f, mine),
		"Put new":    other.Put(f, &ledger.Record{Account: f.account.ID, Known: ledger.Known{UID: "2", State: ledger.Held}}),
		"Deleted":    other.Deleted(f, epoch, mine.ID),
		"Drop":       other.Drop(f, mine.ID),
		"SetMissing": other.SetMissing(f, epoch, []int64{mine.ID}),
		"PutAccount": other.PutAccount(f, f.account),
	} {
		wantFailure(t, name+" under the lease of another account", err)
	}
	_, err := other.Record(f, mine.ID)
	wantError(t, "Record under the lease of another account", err, ledger.ErrNotFound)
	equal(t, "Record", f.record(t, mine.ID), mine)
}

// rounded is a record as it comes back: in UTC, to the millisecond.
func rounded(r *ledger.Record) *ledger.Record {
	out := *r
	out.Recipients = nil
	for _, rcpt := range r.Recipients {
		rcpt.NextAttempt = round(rcpt.NextAttempt)
		out.Recipients = append(out.Recipients, rcpt)
	}
	for _, at := range []*time.Time{&out.NextAttempt, &out.ForwardedAt, &out.DeletedAt, &out.FirstAttempt, &out.FirstSeen, &out.MissingSince, &out.RefusedSince} {
		*at = round(*at)
	}
	return &out
}

func round(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// mustBeFull fails if a field is zero, so that a field that is added to a type is
// tested here, and stored.
func mustBeFull(t *testing.T, path string, v reflect.Value, except ...string) {
	t.Helper()
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() {
		if v.IsZero() {
			t.Fatalf("%s is zero, want a value to test with", path)
		}
		return
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.IsExported() && !slices.Contains(except, field.Name) { // no store sees the others
			mustBeFull(t, path+"."+field.Name, v.Field(i), except...)
		}
	}
}

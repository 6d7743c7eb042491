package ledgertest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// maxLife is how long a process of a test may live; disks can be slow.
const maxLife = 3 * time.Minute

// epoch is the present of all tests, with milliseconds and at the end of a month.
var epoch = time.Date(2026, 2, 28, 23, 59, 59, 123e6, time.UTC)

// fixture is a new ledger with one account, and its lease.
type fixture struct {
	context.Context
	address string
	store   ledger.Store
	account ledger.Account
	lease   ledger.Lease
}

func setup(t *testing.T, k Kind) *fixture {
	t.Helper()
	f := &fixture{Context: t.Context(), address: k.New(t)}
	f.store = open(t, k, f.address)
	f.account = claim(t, f.store, ledger.Identity{Name: "isp", Username: "leo", Host: "pop.example.net", Port: 995, Config: "/a.yaml"})[0]
	f.lease = take(t, f.store, f.account.ID)
	return f
}

// open opens a ledger until the end of the test, with a clock that stands at epoch.
func open(t *testing.T, k Kind, address string) ledger.Store {
	t.Helper()
	s, err := k.Open(t.Context(), address, func() time.Time { return epoch })
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func claim(t *testing.T, s ledger.Store, ids ...ledger.Identity) []ledger.Account {
	t.Helper()
	accounts, err := s.Claim(t.Context(), ids)
	must(t, err)
	return accounts
}

// take takes a lease until the end of the test, if it is not released before.
func take(t *testing.T, s ledger.Store, account int64) ledger.Lease {
	t.Helper()
	l, err := s.Lease(t.Context(), account)
	must(t, err)
	t.Cleanup(func() { must(t, l.Release()) })
	return l
}

// takeSoon is take after the holder was killed: a server may take a moment to notice.
func takeSoon(t *testing.T, s ledger.Store, account int64) ledger.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxLife)
	defer cancel()
	l, err := await(ctx, s, account)
	must(t, err)
	t.Cleanup(func() { must(t, l.Release()) })
	return l
}

// put writes records in one call.
func (f *fixture) put(t *testing.T, recs ...*ledger.Record) {
	t.Helper()
	must(t, f.lease.Put(f, recs...))
}

// record reads one.
func (f *fixture) record(t *testing.T, id int64) *ledger.Record {
	t.Helper()
	r, err := f.lease.Record(f, id)
	must(t, err)
	return r
}

// known reads all.
func (f *fixture) known(t *testing.T) []ledger.Known {
	t.Helper()
	known, err := f.lease.Known(f)
	must(t, err)
	list := make([]ledger.Known, 0, known.Len())
	for _, k := range known.All() {
		list = append(list, k)
	}
	return list
}

// in returns a small record in a state.
func in(s ledger.State, uid string) *ledger.Record {
	return &ledger.Record{Known: ledger.Known{UID: uid, State: s, Size: -1}}
}

// full returns a record with a value in every field.
func full() *ledger.Record {
	return &ledger.Record{
		Known: ledger.Known{UID: "a\xff\x00b", Generation: 2, State: ledger.Forwarded, Size: 1 << 40, Fingerprint: "print", Attempts: 3,
			NextAttempt: epoch.Add(1), ForwardedAt: epoch.Add(2 * time.Hour), DeletedAt: epoch.Add(3 * time.Hour),
			CopyFile: "spool/1", Deletions: 1, MissingSince: epoch.Add(5 * time.Hour), Cause: ledger.Cause{Code: "refused", Text: "550 5.7.1 müde\r\nzweite Zeile"}},
		MessageSize:  1<<40 + 1,
		Digest:       "digest",
		Chosen:       "a@example.org\nz@example.org",
		BrokenAt:     1<<40 + 2,
		Trace:        "trace",
		TraceLines:   "Received: here\r\n",
		Mark:         `"INBOX" 1 2`,
		DoubtSince:   epoch.Add(6 * time.Hour),
		FirstAttempt: epoch.Add(4 * time.Hour).In(time.FixedZone("", 3600)),
		Excerpt:      ledger.Excerpt{MessageID: "<a@b>", From: "Jürgen <j@example.org>", Subject: "日本語", Date: "Sat, 28 Feb 2026"},
		FirstSeen:    epoch.Add(-time.Hour),
		RefusedSince: epoch.Add(-time.Minute),
		Recipients: []ledger.Recipient{
			{Address: "z@example.org", State: ledger.Held, Code: 550, Text: "5.1.1 no such user", Attempts: 2, NextAttempt: epoch.Add(time.Minute), Doubts: 2},
			{Address: "a@example.org", State: ledger.Forwarded, Code: 250, Text: "2.0.0 ok", Attempts: 1},
			{Address: "a@example.org", State: ledger.Sending},
		},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %+v\nwant %+v", what, got, want)
	}
}

// wantError fails unless err wraps want.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantFailure fails if err is nil.
func wantFailure(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want one", what)
	}
}

package identify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// change has a row changed.
func change(list []ledger.Known, i int, do func(*ledger.Known)) []ledger.Known {
	do(&list[i])
	return list
}

func missing(k *ledger.Known)  { k.MissingSince = noon.Add(-time.Hour) }
func withCopy(k *ledger.Known) { k.CopyFile = "copy" }

// ids are those of rows, in one word.
func ids(list []*ledger.Known) string {
	var out []string
	for _, k := range list {
		out = append(out, fmt.Sprint(k.ID))
	}
	return strings.Join(out, ",")
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name             string
		listing          string
		rows             []ledger.Known
		gone, left, back string // IDs
	}{
		{"all are listed", "a:1 b:1", rows("a:1:forwarded b:1:deferred"), "", "", ""},
		{"an empty listing is not believed", "", rows("a:1:forwarded b:1:deferred"), "", "", ""},
		{"undelivered messages left", "x:1", rows("a:1:deferred b:1:waiting c:1:unknown d:1:held"), "1,2,3,4", "", ""},
		{"the others left", "x:1", rows("a:1:forwarded b:1:skipped c:1:gone d:1:sending"), "", "1,2,3,4", ""},
		{"deleted ones are expected to leave", "x:1", change(rows("a:1:deleted"), 0, missing), "", "", ""},
		{"a deleted one comes back", "a:1", change(rows("a:1:deleted"), 0, missing), "", "", "1"},
		{"and leaves after all", "x:1", rows("a:1:deleted"), "", "1", ""},
		{"its UID is another row's by now", "a:1", change(rows("a:1:deleted a:2:forwarded"), 0, missing), "", "", ""},
		{"of two under its UID the later comes back", "a:1", change(change(rows("a:1:deleted a:2:deleted"), 0, missing), 1, missing), "", "", "2"},
		{"both come back", "a:1 a:2", change(change(rows("a:1:deleted a:2:deleted"), 0, missing), 1, missing), "", "", "1,2"},
		{"copies do not depend on the listing", "x:1", change(rows("a:1:deferred"), 0, withCopy), "", "", ""},
		{"missing for longer", "x:1", change(rows("a:1:forwarded"), 0, missing), "", "", ""},
		{"back", "a:1 x:1", change(rows("a:1:gone b:1:forwarded"), 0, missing), "", "2", "1"},
		{"two rows under one UID", "x:1", rows("a:1:forwarded a:2:held"), "2", "1", ""},
		{"two rows under one UID, listed once", "a:1", rows("a:1:forwarded a:2:held"), "", "", ""},
		{"another size is still listed", "a:2", rows("a:1:forwarded"), "", "", ""},
	} {
		gone, left, back := Missing(View{Entries: entries(test.listing), Known: ledger.PackRows(test.rows...), Now: noon})
		if got, want := [3]string{ids(gone), ids(left), ids(back)}, [3]string{test.gone, test.left, test.back}; got != want {
			t.Errorf("%s: gone, left and back are %q, want %q", test.name, got, want)
		}
	}
}

func TestWhatBecame(t *testing.T) {
	t.Parallel()
	keep := Policy{Keep: true}
	lastLogin := noon.Add(-2 * time.Hour) // rows are forwarded an hour ago
	for _, test := range []struct {
		name    string
		listing string
		rows    []ledger.Known
		policy  Policy
		login   time.Time
		want    Retrieved
	}{
		{"all three that were fetched vanished", "x:1", rows("a:1:forwarded b:1:forwarded c:1:forwarded"), keep, lastLogin, Hidden},
		{"two are too few", "x:1", rows("a:1:forwarded b:1:forwarded"), keep, lastLogin, NotKnown},
		{"two of four are still there", "c:1 d:1", rows("a:1:forwarded:p b:1:forwarded:q c:1:forwarded:r d:1:forwarded:s"), keep, lastLogin, Kept},
		{"one of three is still there", "c:1", rows("a:1:forwarded:p b:1:forwarded:q c:1:forwarded:r"), keep, lastLogin, Kept},
		{"one of four is still there", "d:1", rows("a:1:forwarded:p b:1:forwarded:q c:1:forwarded:r d:1:forwarded:s"), keep, lastLogin, NotKnown},
		{"one is there, and others went before", "d:1", change(change(change(rows("a:1:forwarded:p b:1:forwarded:q c:1:forwarded:r d:1:forwarded:s"), 0, missing), 1, missing), 2, missing), keep, lastLogin, NotKnown},
		{"an empty listing is not believed", "", rows("a:1:forwarded b:1:forwarded c:1:forwarded"), keep, lastLogin, NotKnown},
		{"they were deleted by popferry", "x:1", rows("a:1:forwarded b:1:forwarded c:1:forwarded"), Policy{}, lastLogin, NotKnown},
		{"they are kept for a time only", "x:1", rows("a:1:forwarded b:1:forwarded c:1:forwarded"), Policy{Keep: true, KeepFor: time.Hour}, lastLogin, NotKnown},
		{"they were fetched by an earlier session", "x:1", rows("a:1:forwarded b:1:forwarded c:1:forwarded"), keep, noon, NotKnown},
		{"undelivered ones, whatever the policy", "x:1", rows("a:1:deferred:p b:1:held:q c:1:unknown:r"), Policy{}, lastLogin, Hidden},
		{"of undelivered ones one is there", "c:1", rows("a:1:deferred:p b:1:held:q c:1:unknown:r d:1:held:s"), Policy{}, lastLogin, Kept},
		{"skipped ones were not fetched", "x:1", rows("a:1:skipped b:1:skipped c:1:skipped"), keep, lastLogin, NotKnown},
		{"those with a copy do not count", "x:1", change(rows("a:1:deferred b:1:deferred c:1:deferred"), 1, withCopy), keep, lastLogin, NotKnown},
		{"nor those that were missing before", "x:1", change(rows("a:1:deferred b:1:deferred c:1:deferred"), 1, missing), keep, lastLogin, NotKnown},
	} {
		v := View{Entries: entries(test.listing), Known: ledger.PackRows(test.rows...), Policy: test.policy, Now: noon}
		gone, left, _ := Missing(v)
		if got := WhatBecame(v, slices.Concat(gone, left), ledger.Given{1, 2, 3, 4}, test.login); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Only what was given out in a session that ended by QUIT shows that the server keeps it.
func TestWhatBecameOfWhatWasNotGivenOut(t *testing.T) {
	t.Parallel()
	v := View{Entries: entries("c:1"), Known: ledger.PackRows(rows("a:1:deferred:p b:1:held:q c:1:held:r")...), Now: noon}
	for _, test := range []struct {
		given ledger.Given
		want  Retrieved
	}{
		{ledger.Given{}, NotKnown},
		{ledger.Given{1, 2}, NotKnown},
		{ledger.Given{3}, Kept},
	} {
		gone, _, _ := Missing(v)
		if got := WhatBecame(v, gone, test.given, noon); got != test.want {
			t.Errorf("given out %v: %v, want %v", test.given, got, test.want)
		}
	}
}

func TestDueCopies(t *testing.T) {
	t.Parallel()
	copies := rows("a:10:deferred b:20:unknown c:30:waiting d:40:held e:50:forwarded f:60:sending")
	for i := range copies {
		copies[i].CopyFile = "copy"
	}
	copies = append(copies, rows("g:1:deferred")...) // without a copy
	planned := []Candidate{{Known: &copies[0]}}
	for name, test := range map[string]struct {
		planned []Candidate
		asked   bool
		due     string
		waiting int
	}{
		"by schedule":          {due: "1,2,6", waiting: 1},
		"asked for":            {asked: true, due: "1,2,3,6"},
		"one is planned":       {planned: planned, due: "2,6", waiting: 1},
		"one, and asked for":   {planned: planned, asked: true, due: "2,3,6"},
		"planned without rows": {planned: []Candidate{NewCandidate(pop3.Entry{})}, due: "1,2,6", waiting: 1},
	} {
		due, waiting := DueCopies(View{Known: ledger.PackRows(copies...), Now: noon, Asked: test.asked}, test.planned, false)
		var known []*ledger.Known
		for _, c := range due {
			known = append(known, c.Known)
			if c.Number != 0 || c.UID != c.Known.UID || c.Size != c.Known.Size {
				t.Errorf("%s: entry %+v of row %d, want no number, and UID and size of the row", name, c.Entry, c.Known.ID)
			}
		}
		if got := ids(known); got != test.due || waiting != test.waiting {
			t.Errorf("%s: due %q, %d waiting; want %q, %d", name, got, waiting, test.due, test.waiting)
		}
	}
}

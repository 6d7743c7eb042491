package identify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// entry and row write cases short: "uid:size" and "uid:size:state:print".
func entries(list string) []pop3.Entry {
	var out []pop3.Entry
	for i, f := range strings.Fields(list) {
		var size int64
		uid, s, _ := strings.Cut(f, ":")
		_, _ = fmt.Sscan(s, &size)
		out = append(out, pop3.Entry{Number: i + 1, UID: uid, Size: size})
	}
	return out
}

func rows(list string) []ledger.Known {
	var out []ledger.Known
	for i, f := range strings.Fields(list) {
		p := append(strings.Split(f, ":"), "", "")
		k := ledger.Known{ID: int64(i + 1), UID: p[0], Fingerprint: p[3], Generation: i}
		_, _ = fmt.Sscan(p[1], &k.Size)
		switch p[2] {
		case "deleted":
			k.State, k.ForwardedAt, k.DeletedAt = ledger.Forwarded, noon.Add(-time.Hour), noon.Add(-time.Hour)
		case "waiting":
			k.State, k.NextAttempt = ledger.Deferred, noon.Add(time.Hour)
		default:
			k.State, _ = ledger.ParseState(p[2])
			k.ForwardedAt = noon.Add(-time.Hour)
		}
		out = append(out, k)
	}
	return out
}

// shape writes a plan in one line.
func shape(p Plan) string {
	var out []string
	for _, c := range p.Due {
		out = append(out, fmt.Sprintf("due %d=%d", c.Number, c.Known.ID))
	}
	for _, s := range p.Skip {
		out = append(out, fmt.Sprintf("skip %d", s.Number))
	}
	for _, m := range p.Expired {
		out = append(out, fmt.Sprintf("expired %d=%d", m.Number, m.Known.ID))
	}
	for _, c := range p.Ambiguous {
		var n []string
		for _, e := range c.Entries {
			n = append(n, fmt.Sprint(e.Number))
		}
		out = append(out, fmt.Sprintf("ambiguous %s of %d", strings.Join(n, ","), len(c.Rows)))
	}
	if p.Waiting > 0 {
		out = append(out, fmt.Sprintf("waiting %d", p.Waiting))
	}
	return strings.Join(out, "; ")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	keep, drop := Policy{Keep: true}, Policy{}
	cases := []struct {
		name          string
		listing, rows string
		policy        Policy
		want          string
	}{
		{"new", "a:10 b:20", "", keep, "due 1=0; due 2=0"},
		{"known", "a:10", "a:10:forwarded", keep, ""},
		{"known, size not listed", "a:-1", "a:10:forwarded", keep, ""},
		{"empty listing", "", "a:10:forwarded b:10:held", drop, ""},
		{"to be deleted", "a:10", "a:10:forwarded", drop, "expired 1=1"},
		{"never deleted", "a:1 b:1 c:1 d:1", "a:1:held b:1:skipped c:1:waiting d:1:sending", drop, "due 4=4; waiting 1"},
		{"deferred is due", "a:10", "a:10:deferred", keep, "due 1=1"},
		{"unknown is due", "a:10", "a:10:unknown", keep, "due 1=1"},
		{"gone is back", "a:10", "a:10:gone", keep, "due 1=1"},
		{"another size under a known UID", "a:11", "a:10:forwarded:x", drop, "ambiguous 1 of 1"},
		{"back after its deletion", "a:10", "a:10:deleted:x", drop, "ambiguous 1 of 1"},
		{"back after its deletion, another generation known", "a:20", "a:10:deleted a:20:forwarded", keep, ""},
		{"too large", "a:101 b:100", "", Policy{Keep: true, MaxSize: 100}, "due 2=0; skip 1"},
		{"one UID twice, new", "a:10 a:20", "", keep, "due 1=0; due 2=0"},
		{"one UID twice, told by size, in another order", "a:20 a:10", "a:10:forwarded a:20:held", drop, "expired 2=1"},
		{"one UID twice, nothing tells", "a:10 a:10", "a:10:forwarded:x a:10:forwarded:x", drop, "expired 1=1; expired 2=2"},
		{"one UID twice, same size, other fingerprints", "a:10 a:10", "a:10:forwarded:x a:10:held:y", drop, "ambiguous 1,2 of 2"},
		{"one UID three times, one of them known", "a:10 a:20 a:30", "a:20:forwarded", drop, "expired 2=1; ambiguous 1,3 of 0"},
		{"one of a double left", "a:20", "a:10:forwarded a:20:held", drop, ""},
		{"empty UIDs", ":10 :20", ":10:forwarded", keep, "ambiguous 2 of 0"},
		{"failed before goes last", "a:1 b:1 c:1", "a:1:deferred", keep, "due 1=1; due 2=0; due 3=0"},
	}
	for _, c := range cases {
		got := shape(Compare(View{Entries: entries(c.listing), Known: ledger.PackRows(rows(c.rows)...), Policy: c.policy, Now: noon}))
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestComparePutsFailuresLast(t *testing.T) {
	t.Parallel()
	known := rows("a:1:deferred b:1:unknown")
	known[0].Attempts, known[1].Attempts = 2, 1
	p := Compare(View{Entries: entries("a:1 b:1 c:1"), Known: ledger.PackRows(known...), Now: noon})
	if got, want := shape(p), "due 3=0; due 2=2; due 1=1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestResolveByFingerprint(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name          string
		listing, rows string
		fingerprints  []string
		want          string
	}{
		{"the same, listed with another size", "a:11", "a:10:forwarded:x", []string{"x"}, "expired 1=1"},
		{"another message", "a:11", "a:10:forwarded:x", []string{"y"}, "due 1=0"},
		{"header not to be had", "a:11", "a:10:forwarded:x", []string{""}, "due 1=0"},
		{"no header at all, same size", "a:10 a:10", "a:10:forwarded a:10:held", []string{"", ""}, "expired 1=1"},
		{"swapped", "a:10 a:10", "a:10:forwarded:x a:10:held:y", []string{"y", "x"}, "expired 2=1"},
		{"deleted before, the same again", "a:10", "a:10:deleted:x", []string{"x"}, "expired 1=1"},
		{"deleted before, another now", "a:10", "a:10:deleted:x", []string{"y"}, "due 1=0"},
		{"one row, two indistinguishable", "a:10 a:10", "a:10:deleted:x", []string{"x", "x"}, "due 2=0; expired 1=1"},
	}
	for _, c := range cases {
		v := View{Entries: entries(c.listing), Known: ledger.PackRows(rows(c.rows)...), Now: noon}
		p := Compare(v)
		if len(p.Ambiguous) != 1 {
			t.Fatalf("%s: %q, want one ambiguity", c.name, shape(p))
		}
		ambiguity := p.Ambiguous[0]
		p.Ambiguous = nil
		p.ResolveByFingerprint(v, ambiguity, printsOf(c.fingerprints))
		if got := shape(p); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzCompare holds what must be true of every listing and ledger: each entry
// has at most one result, nothing is deleted that was not forwarded, no entry
// without a row of its UID counts as known, no row is used twice.
func FuzzCompare(f *testing.F) {
	f.Add([]byte("abcabc"), []byte("aAbBcC"), false)
	f.Add([]byte{0, 1, 0, 1, 7}, []byte{0, 0, 1, 9, 4}, true)
	f.Fuzz(func(t *testing.T, list, led []byte, keep bool) {
		v := View{Known: ledger.PackRows(), Policy: Policy{Keep: keep, MaxSize: 6}, Now: noon}
		for i, b := range list {
			v.Entries = append(v.Entries, pop3.Entry{Number: i + 1, UID: string(rune('a' + b%4)), Size: int64(b/4%8) - 1})
		}
		for i, b := range led {
			k := ledger.Known{ID: int64(i + 1), UID: string(rune('a' + b%4)), Size: int64(b/4%8) - 1, State: ledger.States()[int(b/8)%7], Generation: i}
			if k.State == ledger.Forwarded {
				k.ForwardedAt = noon.Add(-time.Hour)
				if b > 128 {
					k.DeletedAt = noon
				}
			}
			v.Known.Add(&k)
		}
		p := Compare(v)
		for len(p.Ambiguous) > 0 {
			c := p.Ambiguous[0]
			p.Ambiguous = p.Ambiguous[1:]
			p.ResolveByFingerprint(v, c, make([]Print, len(c.Entries)))
		}
		checkPlan(t, v, p)
	})
}

func checkPlan(t *testing.T, v View, p Plan) {
	t.Helper()
	result := make(map[int]string)
	used := make(map[int64]bool)
	note := func(n int, what string, row int64) {
		if result[n] != "" {
			t.Fatalf("entry %d is %s and %s, want one of them", n, result[n], what)
		}
		result[n] = what
		if row != 0 && used[row] {
			t.Fatalf("row %d is used twice, want once", row)
		}
		used[row] = true
	}
	for _, c := range p.Due {
		note(c.Number, "due", c.Known.ID)
		if c.Known.State == ledger.Forwarded {
			t.Fatalf("entry %d was forwarded and is due, want it not to be", c.Number)
		}
	}
	for _, s := range p.Skip {
		note(s.Number, "skipped", 0)
	}
	for _, m := range p.Expired {
		note(m.Number, "expired", m.Known.ID)
		if m.Known.State != ledger.Forwarded || m.Known.UID != m.UID || v.Policy.Keep {
			t.Fatalf("entry %d is to be deleted: %+v; want only forwarded messages under their own UID, and none that are kept", m.Number, m)
		}
	}
	for _, e := range v.Entries {
		known := hasUID(v.Known, e.UID)
		if result[e.Number] == "" && !known {
			t.Fatalf("entry %d has no row and no result, want one of them", e.Number)
		}
	}
}

// hasUID reports whether a row has a UID.
func hasUID(rows *ledger.Rows, uid string) bool {
	for i := range rows.Len() {
		if rows.UID(i) == uid {
			return true
		}
	}
	return false
}

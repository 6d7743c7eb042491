package identify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// series writes so many entries or rows: prefix and number, then suffix.
func series(n int, prefix, suffix string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i, suffix))
	}
	return strings.Join(out, " ")
}

func TestMovedIfNearlyAllUIDsAreNew(t *testing.T) {
	t.Parallel()
	known := func(n int) []ledger.Known { return rows(series(n, "old", ":1:forwarded")) }
	for _, test := range []struct {
		name    string
		listing string
		rows    []ledger.Known
		want    bool
	}{
		{"all of ten", series(10, "new", ":1"), known(10), true},
		{"nine are too few", series(9, "new", ":1"), known(9), false},
		{"with more new ones", series(30, "new", ":1"), known(10), true},
		{"nine tenths vanished", series(2, "old", ":1") + " " + series(18, "new", ":1"), known(20), true},
		{"less than nine tenths vanished", series(3, "old", ":1") + " " + series(18, "new", ":1"), known(20), false},
		{"fewer new ones than vanished", series(17, "new", ":1"), known(20), false},
		{"emptied", "", known(20), false},
		{"a first listing", series(20, "new", ":1"), nil, false},
		{"those that left before do not count", series(10, "new", ":1"), change(known(10), 0, missing), false},
		{"nor deleted ones", series(10, "new", ":1"), change(known(10), 0, func(k *ledger.Known) { k.DeletedAt = noon }), false},
	} {
		v := View{Entries: entries(test.listing), Known: ledger.PackRows(test.rows...), Now: noon}
		if u := FindUnmatched(&v); u.Moved != test.want {
			t.Errorf("%s: moved: %v (%d rows, %d entries), want %v", test.name, u.Moved, len(u.Rows), len(u.Entries), test.want)
		}
	}
}

func TestRematchPairsFingerprintsOneToOne(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		rows         string
		fingerprints []string // of the unknown messages
		want         string   // number=row
		certain      bool
	}{
		{"all are known", "a:1:forwarded:x b:1:held:y", []string{"y", "x"}, "1=2 2=1", true},
		{"one is new", "a:1:forwarded:x", []string{"x", "z"}, "1=1", true},
		{"one has left", "a:1:forwarded:x b:1:held:y", []string{"x"}, "1=1", true},
		{"copies, one to one", "a:1:forwarded:x b:1:forwarded:x", []string{"x", "x", "x"}, "1=1 2=2", true},
		{"rows and messages are left over", "a:1:forwarded:x b:1:skipped", []string{"x", "z"}, "1=1", false},
		{"rows without a fingerprint, but no message is left over", "a:1:forwarded:x b:1:skipped", []string{"x"}, "1=1", true},
		{"no row has a fingerprint", "a:1:skipped b:1:skipped", []string{"x", "y"}, "", false},
		{"rows without a fingerprint, of other sizes", "a:2:skipped b:3:skipped c:4:skipped", []string{"p", "q", "r"}, "", true},
		{"of three, one has the size of a new message", "a:2:skipped b:3:skipped c:1:skipped", []string{"p", "q", "r"}, "", true},
		{"of three, two have", "a:1:skipped b:3:skipped c:1:skipped", []string{"p", "q", "r"}, "", false},
		{"what never came whole was not forwarded", "a:1:deferred b:1:gone c:1:held", []string{"p", "q", "r"}, "", true},
		{"a size that is not known may be any", "a:-1:skipped b:-1:skipped", []string{"p", "q"}, "", false},
	} {
		moved, certain := Unmatched{Rows: pointers(rows(test.rows))}.Rematch(entries(series(len(test.fingerprints), "new", ":1")), printsOf(test.fingerprints))
		var pairs []string
		for _, m := range moved {
			pairs = append(pairs, fmt.Sprintf("%d=%d", m.Number, m.Known.ID))
		}
		if got := strings.Join(pairs, " "); got != test.want || certain != test.certain {
			t.Errorf("%s: %q, certain %v; want %q, %v", test.name, got, certain, test.want, test.certain)
		}
	}
}

// printsOf are headers with a Received line.
func printsOf(fingerprints []string) (prints []Print) {
	for _, f := range fingerprints {
		prints = append(prints, Print{Fingerprint: f})
	}
	return prints
}

func TestWeakHeadersNeedTheSameSize(t *testing.T) {
	t.Parallel()
	known := rows("a:1:forwarded:x b:2:forwarded:x")
	for _, test := range []struct {
		size int64
		want int
	}{{1, 1}, {2, 1}, {3, 0}, {-1, 0}} {
		if got := Pair(pointers(known), []pop3.Entry{{Number: 1, UID: "c", Size: test.size}}, []Print{{Fingerprint: "x", Weak: true}}, false); len(got) != test.want || test.want == 1 && got[0].Known.Size != test.size {
			t.Errorf("a message of %d octets: matched %v, want %d", test.size, got, test.want)
		}
	}
}

func TestAskForHeadersOfThoseThatMayBeKnown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		listing string
		rows    []ledger.Known
		want    string // numbers
	}{
		{"nothing is away", "a:1 new:1", rows("a:1:forwarded:x"), ""},
		{"the size of one that is away", "b:1 c:2 d:3", rows("a:2:forwarded:x"), "2"},
		{"also if it has been away for long", "b:1 c:2", change(rows("a:2:forwarded:x"), 0, missing), "2"},
		{"not that of one that was deleted", "b:1 c:2", change(rows("a:2:forwarded:x"), 0, func(k *ledger.Known) { k.DeletedAt = noon }), ""},
		{"nor of one that has no fingerprint to compare", "b:1 c:2", rows("a:2:skipped"), ""},
		{"no size is listed", "b:-1 c:2", rows("a:1:forwarded:x"), "1"},
		{"nearly all have gone: all, whatever their size", series(10, "new", ":2"), rows(series(10, "old", ":1:forwarded:x")), "1 2 3 4 5 6 7 8 9 10"},
	} {
		v := View{Entries: entries(test.listing), Known: ledger.PackRows(test.rows...), Now: noon}
		var got []string
		for _, e := range FindUnmatched(&v).Ask() {
			got = append(got, fmt.Sprint(e.Number))
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: asks for %q, want %q", test.name, got, test.want)
		}
	}
}

func pointers(rows []ledger.Known) []*ledger.Known {
	list := make([]*ledger.Known, len(rows))
	for i := range rows {
		list[i] = &rows[i]
	}
	return list
}

// A row under whose number another message is listed stands for it no longer, also if
// it has no fingerprint, because a part was sent for what never came whole. One that
// is still to be fetched does.
func TestRecollectDisplacesRowsOfOtherMessages(t *testing.T) {
	t.Parallel()
	known := rows("1:5:forwarded: 2:5:deferred: 3:5:forwarded:x 4:5:held:y")
	v := View{Known: ledger.PackRows(known...), Entries: []pop3.Entry{{Number: 1, UID: "1", Size: 5}, {Number: 2, UID: "2", Size: 5}, {Number: 3, UID: "3", Size: 5}, {Number: 4, UID: "4", Size: 5}}}
	moved, displaced := Recollect(&v, printsOf([]string{"a", "b", "y", ""}), Breaking{})
	if len(moved) != 1 || moved[0].Known.ID != known[3].ID || moved[0].Number != 3 {
		t.Errorf("moved %v, want the row of 4 to 3", moved)
	}
	var uids []string
	for _, k := range displaced {
		uids = append(uids, k.UID)
	}
	if want := []string{"1", "3"}; !slices.Equal(uids, want) {
		t.Errorf("displaced %v, want %v", uids, want)
	}
}

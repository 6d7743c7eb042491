package identify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// series writes so many entries or rows: prefix and number, then suffix.
func series(n int, prefix, suffix string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i, suffix))
	}
	return strings.Join(out, " ")
}

func TestRenumberedIfNearlyAllUIDsAreNew(t *testing.T) {
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
		v := View{Entries: entries(test.listing), Known: test.rows, Now: noon}
		vanished, unknown, got := Renumbered(&v)
		if got != test.want {
			t.Errorf("%s: renumbered: %v (%d vanished, %d unknown), want %v", test.name, got, len(vanished), len(unknown), test.want)
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
		{"most have one, and none is there: emptied", "a:1:forwarded:x b:1:forwarded:y c:1:skipped", []string{"p", "q"}, "", true},
		{"few have one, and none is there", "a:1:forwarded:x b:1:skipped c:1:skipped", []string{"p", "q"}, "", false},
	} {
		moved, certain := Rematch(rows(test.rows), entries(series(len(test.fingerprints), "new", ":1")), test.fingerprints)
		var pairs []string
		for _, m := range moved {
			pairs = append(pairs, fmt.Sprintf("%d=%d", m.Number, m.Known.ID))
		}
		if got := strings.Join(pairs, " "); got != test.want || certain != test.certain {
			t.Errorf("%s: %q, certain %v; want %q, %v", test.name, got, certain, test.want, test.certain)
		}
	}
}

package identify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Only what the last listing had can be lost, and what a poll deleted itself is not.
func TestLostNewest(t *testing.T) {
	t.Parallel()
	var listed []string // newestRows messages
	for i := range newestRows {
		listed = append(listed, fmt.Sprintf("m%d:1", i))
	}
	known := func(before, after string) []ledger.Known {
		return rows(before + " " + strings.Join(listed, ":forwarded:p ") + ":forwarded:p " + after)
	}
	change := func(list []ledger.Known, f func(k *ledger.Known)) []ledger.Known {
		f(&list[len(list)-1])
		return list
	}
	const lost = "lost:1:forwarded:q"
	for name, test := range map[string]struct {
		known []ledger.Known
		want  bool
	}{
		"none":                {known("", ""), false},
		"the newest":          {known("", lost), true},
		"an old one":          {known(lost, ""), false},
		"deleted":             {known("", "lost:1:deleted:q"), false},
		"lost earlier":        {change(known("", lost), func(k *ledger.Known) { k.MissingSince = noon }), false},
		"one that has a copy": {change(known("", lost), func(k *ledger.Known) { k.CopyFile = "1-a-b.eml" }), false},
		"of few":              {rows(lost + " m1:1:forwarded:p"), true},
	} {
		if got := LostNewest(&View{Entries: entries(strings.Join(listed, " ")), Known: ledger.PackRows(test.known...)}); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Those that were not compared in another way are in the order of the listing.
func TestNewest(t *testing.T) {
	t.Parallel()
	known := rows("a:1:forwarded:p b:1:forwarded:q c:1:forwarded: d:1:forwarded:r e:2:forwarded:s f:1:waiting:t g:1:forwarded:u")
	v := View{Entries: entries("new:1 a:1 b:1 c:1 d:1 e:1 f:1 g:1 newer:1"), Known: ledger.PackRows(known...)}
	for most, want := range map[int]string{1: "g", 2: "d g", 3: "b d g", 4: "a b d g", 9: "a b d g"} {
		first, newest := Newest(&v, most)
		var uids []string
		for _, m := range newest {
			uids = append(uids, m.UID)
		}
		if got := strings.Join(uids, " "); got != want || first.UID != "a" {
			t.Errorf("the last %d: %s, and %s first; want %s, and a", most, got, first.UID, want)
		}
	}
}

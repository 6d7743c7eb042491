package identify

import (
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

func TestBreakingAreToldByTheirSizes(t *testing.T) {
	t.Parallel()
	incomplete := ledger.Cause{Code: ledger.CauseIncomplete}
	rows := []ledger.Known{
		{ID: 1, UID: "1", State: ledger.Deferred, Size: 100, Cause: incomplete},
		{ID: 2, UID: "2", State: ledger.Held, Size: 200, Cause: incomplete},
		{ID: 3, UID: "3", State: ledger.Held, Size: 300}, // it came whole
		{ID: 4, UID: "4", State: ledger.Deferred, Size: 400, Cause: incomplete, Fingerprint: "seen"},
		{ID: 5, UID: "5", State: ledger.Deferred, Size: 500, Cause: incomplete, CopyFile: "part"},
		{ID: 6, UID: "6", State: ledger.Gone, Size: 600, Cause: incomplete},
		{ID: 7, UID: "7", State: ledger.Deferred, Size: -1, Cause: incomplete},
	}
	entries := []pop3.Entry{
		{Number: 1, UID: "1", Size: 200}, {Number: 2, UID: "2", Size: 100}, {Number: 3, UID: "3", Size: 300}, {Number: 4, UID: "4", Size: 400},
		{Number: 5, UID: "5", Size: 500}, {Number: 6, UID: "6", Size: 600}, {Number: 7, UID: "7", Size: -1}, {Number: 8, UID: "8", Size: 100},
	}
	v := View{Entries: entries, Known: ledger.PackRows(rows...)}
	for name, test := range map[string]struct {
		leftOut map[string]bool
		want    map[string]int64 // rows by UID
	}{
		"two have the size of one row":             {nil, map[string]int64{"1": 2}},
		"this poll's session ended at one of them": {map[string]bool{"8": true, "3": true}, map[string]int64{"1": 2, "8": 1}},
	} {
		b := FindBreaking(&v, test.leftOut)
		for _, e := range entries {
			if got, want := b.Has(e), test.want[e.UID] > 0; got != want {
				t.Errorf("%s: UID %s breaks: %v, want %v", name, e.UID, got, want)
			}
		}
		pairs := b.Pair(entries)
		for _, m := range pairs {
			if want := test.want[m.UID]; m.Known.ID != want {
				t.Errorf("%s: UID %s has row %d, want %d", name, m.UID, m.Known.ID, want)
			}
		}
		if len(pairs) != len(test.want) {
			t.Errorf("%s: %d pairs, want %d", name, len(pairs), len(test.want))
		}
	}
}

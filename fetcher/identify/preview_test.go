package identify

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// printed is a row with a fingerprint.
func printed(k ledger.Known) ledger.Known {
	k.Fingerprint = "print"
	return k
}

func TestPreview(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	listing := pop3.Listing{Entries: []pop3.Entry{{Number: 1, UID: "a", Size: 10}, {Number: 2, UID: "b", Size: 20}, {Number: 3, UID: "c", Size: 30}, {Number: 4, UID: "d", Size: 400}}}
	row := func(id int64, uid string, s ledger.State, size int64, next time.Time) ledger.Known {
		return ledger.Known{ID: id, UID: uid, State: s, Size: size, NextAttempt: next}
	}
	seen := ledger.Account{ID: 1, Listed: now.Add(-time.Hour)}
	for name, tt := range map[string]struct {
		known  []ledger.Known
		row    ledger.Account
		policy Policy
		want   Summary
	}{
		"never polled":           {nil, ledger.Account{}, Policy{Keep: true}, Summary{New: 4, Largest: 400}},
		"never polled, only new": {nil, ledger.Account{}, Policy{Keep: true, OnlyNew: true}, Summary{Skip: 4}},
		"too large":              {nil, seen, Policy{Keep: true, MaxSize: 100}, Summary{New: 3, TooLarge: 1, Largest: 30}},
		"one of each": {[]ledger.Known{
			row(1, "a", ledger.Forwarded, 10, time.Time{}),
			row(2, "b", ledger.Deferred, 20, now.Add(-time.Minute)),
			row(3, "c", ledger.Deferred, 30, now.Add(time.Minute)),
		}, seen, Policy{Keep: true}, Summary{New: 1, Again: 1, Waiting: 1, Largest: 400}},
		"another size": {[]ledger.Known{printed(row(1, "a", ledger.Forwarded, 11, time.Time{}))}, seen, Policy{Keep: true}, Summary{New: 3, Compare: 1, Largest: 400}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Preview(listing, ledger.PackRows(tt.known...), tt.row, tt.policy, now); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

package identify

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// What a plan takes for each of a million messages is little beside the listing and
// the rows, however they end.
func TestPlanMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million messages")
	}
	const n = 1_000_000
	entries := make([]pop3.Entry, n)
	for i := range entries {
		entries[i] = pop3.Entry{Number: i + 1, UID: fmt.Sprintf("%08x", i), Size: 1 << 30}
	}
	due := func(k *ledger.Known) { k.State, k.NextAttempt = ledger.Deferred, noon.Add(-time.Hour) }
	for _, tt := range []struct {
		name   string
		policy Policy
		rows   func(*ledger.Known)
		most   int // octets for each message
	}{
		{"all too large", Policy{Keep: true, MaxSize: 1}, nil, 50},
		{"all new", Policy{Keep: true}, nil, 90},
		{"all known", Policy{Keep: true}, func(k *ledger.Known) { k.State = ledger.Forwarded }, 30},
		{"all due again", Policy{Keep: true}, due, 600}, // the list grows, and has each row unpacked
	} {
		v := View{Entries: entries, Policy: tt.policy, Now: noon}
		if tt.rows != nil {
			v.Known = ledger.NewRows(n)
			for i := range n {
				k := ledger.Known{ID: int64(i + 1), UID: entries[i].UID, Size: 1 << 30, Fingerprint: "print"}
				tt.rows(&k)
				v.Known.Add(&k)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		FindUnmatched(&v)
		p := Compare(v)
		DueCopies(v, p.Due, false)
		runtime.ReadMemStats(&after)
		if taken := (after.TotalAlloc - before.TotalAlloc) / n; taken > uint64(tt.most) {
			t.Errorf("%s: %d octets a message, want %d at most", tt.name, taken, tt.most)
		}
		if planned := len(p.Due) + len(p.Skip); tt.name != "all known" && planned != n {
			t.Errorf("%s: %d messages are planned, want %d", tt.name, planned, n)
		}
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	known := rows("a:1:forwarded a:2:forwarded b:1:forwarded")
	for i, generation := range []int{0, 1, 0} {
		known[i].Generation = generation
	}
	v := View{Entries: entries("a:1 b:1 c:1 c:2"), Known: ledger.PackRows(known...)}
	for uid, want := range map[string]int{"a": 2, "b": 1, "c": 0, "d": 0} {
		if got := v.NextGeneration(uid); got != want {
			t.Errorf("%s: generation %d, want %d", uid, got, want)
		}
	}
	if !v.Doubled("c") || v.Doubled("a") || v.Doubled("d") {
		t.Error("c alone is listed twice")
	}
}

// Looking for suspects among a million messages keeps none of the others.
func TestSuspectsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million messages")
	}
	const n = 1_000_000
	v := View{Known: ledger.NewRows(n), Now: noon, Policy: Policy{Keep: true}}
	for i := range n {
		uid := fmt.Sprint(i + 1)
		v.Entries = append(v.Entries, pop3.Entry{Number: i + 1, UID: uid, Size: 1000})
		v.Known.Add(&ledger.Known{ID: int64(i + 1), UID: uid, State: ledger.Forwarded, Size: 1000, Fingerprint: "print"})
	}
	v.indexed()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	suspects, _ := Suspects(&v, true)
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
		t.Errorf("%d kB were allocated, want 1 MB at most", taken>>10)
	}
	if len(suspects) == 0 || len(suspects) > 32 || suspects[len(suspects)-1].Number != n {
		t.Errorf("%d suspects, want 32 at most, with the last message behind them", len(suspects))
	}
}

package identify

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// BenchmarkCompare: a poll without news of a mailbox with 100,000 messages, as
// far as it is the comparison of the listing with the ledger.
func BenchmarkCompare(b *testing.B) {
	const messages = 100_000
	v := View{Known: ledger.NewRows(messages), Now: noon, Policy: Policy{Keep: true}}
	for i := range messages {
		uid := fmt.Sprintf("%08x%08x", i, ^uint32(i))
		v.Entries = append(v.Entries, pop3.Entry{Number: i + 1, UID: uid, Size: int64(i)})
		v.Known.Add(&ledger.Known{ID: int64(i + 1), UID: uid + "", State: ledger.Forwarded, Size: int64(i), Fingerprint: "print", Attempts: 1, ForwardedAt: noon})
	}
	b.ReportAllocs()
	for b.Loop() {
		v := v
		if u := FindUnmatched(&v); u.Moved {
			b.Fatal("moved: true, want false")
		}
		if p := Compare(v); len(p.Due)+len(p.Ambiguous)+len(p.Expired) > 0 {
			b.Fatalf("%d due, %d ambiguous, %d expired; want nothing new", len(p.Due), len(p.Ambiguous), len(p.Expired))
		}
	}
}

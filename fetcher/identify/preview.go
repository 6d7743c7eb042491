package identify

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Summary counts what a poll would do in a mailbox, as far as the listing and the
// ledger show.
type Summary struct {
	New      int   // to be fetched, not known yet
	Again    int   // to be fetched once more after a failure
	Waiting  int   // to be fetched once more, not due yet
	Skip     int   // new, to be left alone: adopted, or there before the first run
	TooLarge int   // new, and larger than the policy allows
	Compare  int   // to be compared by their headers first
	Largest  int64 // octets of the largest that is to be fetched
}

// Preview says what a poll of an account would do. It decides as a poll does and
// changes nothing.
func Preview(listing pop3.Listing, known *ledger.Rows, row ledger.Account, policy Policy, now time.Time) Summary {
	p := Compare(View{Entries: listing.Entries, Known: known, Policy: policy, Now: now, First: row.Listed.IsZero(), Adopt: row.UIDs == ledger.UIDsAdopting})
	o := Summary{Waiting: p.Waiting, Compare: len(p.Ambiguous)}
	for _, c := range p.Due {
		o.Largest = max(o.Largest, c.Size)
		if c.Known.ID == 0 {
			o.New++
		} else {
			o.Again++
		}
	}
	for _, s := range p.Skip {
		if s.Reason == TooLarge {
			o.TooLarge++
		} else {
			o.Skip++
		}
	}
	return o
}

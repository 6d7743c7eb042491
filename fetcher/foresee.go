package fetcher

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Outlook is what a poll would find to do in a mailbox, so far as the listing
// and the ledger tell.
type Outlook struct {
	New      int   // to be fetched, not known so far
	Again    int   // to be fetched once more, after a failure
	Waiting  int   // to be fetched once more, but not yet
	Skip     int   // new, to be left alone: adopted or before the first run
	TooLarge int   // new, and larger than the policy allows
	Compare  int   // to be compared by their headers first
	Largest  int64 // octets of the largest that is to be fetched
}

// Foresee tells what a poll of an account would do. It decides as a poll does,
// and changes nothing.
func Foresee(listing pop3.Listing, known []ledger.Known, row ledger.Account, policy Policy, now time.Time) Outlook {
	p := identify(view{Entries: listing.Entries, Known: known, Policy: policy, Now: now, First: row.Listed.IsZero(), Adopt: row.UIDs == ledger.UIDsAdopting})
	o := Outlook{Waiting: p.Waiting, Compare: len(p.Contests)}
	for _, c := range p.Due {
		o.Largest = max(o.Largest, c.Size)
		if c.Known.ID == 0 {
			o.New++
		} else {
			o.Again++
		}
	}
	for _, s := range p.Skip {
		if s.Reason == tooLarge {
			o.TooLarge++
		} else {
			o.Skip++
		}
	}
	return o
}

package identify

import (
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// A message that broke off has a row without a fingerprint. If a listing with a
// wrong size then makes a second row of it, the first one, once its size is
// listed again, is not sent before it was compared with the second.
func TestMatchBySizeAloneKeepsOtherRows(t *testing.T) {
	t.Parallel()
	p := Compare(View{Now: noon, Entries: entries("a:100"), Known: ledger.PackRows(rows("a:100:deferred: a:17:held:print")...)})
	if len(p.Due) != 1 || p.Due[0].Known.ID != 1 || len(p.Due[0].Others) != 1 || p.Due[0].Others[0].ID != 2 {
		t.Errorf("due is %+v, want message 1 with row 1, and row 2 to be compared with", p.Due)
	}
}

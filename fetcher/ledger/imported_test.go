package ledger_test

import (
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestImported: left alone, but a person can have it forwarded after all.
func TestImported(t *testing.T) {
	t.Parallel()
	r := ledger.Imported("uid", "mpop", noon)
	if r.State != ledger.Skipped || r.State.Due() || !r.OnlyUID() || r.Cause.Text != "fetched by mpop before" || r.FirstSeen != noon {
		t.Errorf("%+v", r)
	}
	listed := *r
	listed.Size = 100
	if listed.OnlyUID() {
		t.Error("its size is known, and it still has nothing but its UID")
	}
	if !r.Retry(noon) || r.State != ledger.Deferred || r.OnlyUID() {
		t.Errorf("after a retry: %+v", r)
	}
}

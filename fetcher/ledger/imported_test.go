package ledger_test

import (
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestImportedIsSkipped: it is left alone unless the user retries it.
func TestImportedIsSkipped(t *testing.T) {
	t.Parallel()
	r := ledger.Imported("uid", "mpop", noon)
	if r.State != ledger.Skipped || r.State.Due() || !r.OnlyUID() || r.Cause.Text != "fetched by mpop before" || r.FirstSeen != noon {
		t.Errorf("it is %+v, want a skipped row with only its UID, the cause and the time", r)
	}
	listed := *r
	listed.Size = 100
	if listed.OnlyUID() {
		t.Error("OnlyUID is true with a known size, want false")
	}
	if !r.Retry(noon) || r.State != ledger.Deferred || r.OnlyUID() {
		t.Errorf("after Retry it is %+v, want it deferred, and OnlyUID false", r)
	}
}

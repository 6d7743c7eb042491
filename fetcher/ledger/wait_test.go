package ledger_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestWaiting(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]bool{
		-time.Second: false, 0: false, time.Second: true,
		ledger.LongestWait: true, ledger.LongestWait + time.Second: false,
	} {
		if got := ledger.Waiting(noon, noon.Add(wait)); got != want {
			t.Errorf("a back-off that ends in %v: waiting %v, want %v", wait, got, want)
		}
	}
}

package ledger_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestBelievable(t *testing.T) {
	t.Parallel()
	for noted, want := range map[time.Time]bool{
		{}: false, time.Unix(0, 0): false, noon.AddDate(100, 0, 0): false, noon.Add(time.Millisecond): false,
		noon: true, noon.AddDate(-1, 0, 0): true,
	} {
		if got := ledger.Believable(noted, noon); got != want {
			t.Errorf("noted as %v: believable %v, want %v", noted, got, want)
		}
	}
}

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

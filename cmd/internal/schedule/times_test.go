package schedule_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// TestAllInOneSecond: ten thousand accounts that are due at the same time, as
// after a machine has slept, are queued by one goroutine. What runs at once is
// what the limits allow, and nobody is left out.
func TestAllInOneSecond(t *testing.T) {
	before := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		var runs, most atomic.Int64
		note := func() {
			for n := int64(runtime.NumGoroutine() - before); ; {
				old := most.Load()
				if n <= old || most.CompareAndSwap(old, n) {
					return
				}
			}
		}
		s := start(t, t.Context(), schedule.Options{
			Jobs:        many(),
			Concurrency: 16,
			PerHost:     4,
			Rand: func() float64 {
				note() // each job that was queued is planned again
				return 0
			},
			Run: func(context.Context, string) {
				runs.Add(1)
				note()
			},
		})
		time.Sleep(9 * time.Minute)
		s.Stop()
		if runs.Load() != 10_000 {
			t.Errorf("%d runs", runs.Load())
		}
		// The workers, the one that looks at the clock, and this one.
		if most.Load() > 16+3 {
			t.Errorf("%d goroutines", most.Load())
		}
	})
}

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

// TestManyJobsDueAtOnce: ten thousand jobs that are due at the same time, as after
// a machine has slept, need no more goroutines than usual, and all of them run.
func TestManyJobsDueAtOnce(t *testing.T) {
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
			Run: finishing(func(context.Context, string) {
				runs.Add(1)
				note()
			}),
		})
		time.Sleep(9 * time.Minute)
		s.Stop()
		if runs.Load() != 10_000 {
			t.Errorf("got %d runs, want 10000", runs.Load())
		}
		// The workers, the timekeeper, the referee, and this one.
		if most.Load() > 16+4 {
			t.Errorf("got %d goroutines, want at most %d", most.Load(), 16+4)
		}
	})
}

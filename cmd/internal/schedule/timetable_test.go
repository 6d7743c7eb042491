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
		var runs atomic.Int64
		counted := make(chan struct{})
		s := start(t, t.Context(), schedule.Options{
			Jobs:        many(),
			Concurrency: 16,
			PerHost:     4,
			Share:       always(0),
			Run: finishing(func(context.Context, string) {
				runs.Add(1)
				<-counted
			}),
		})
		time.Sleep(time.Second)
		synctest.Wait() // goroutines that are just ending count until they are gone
		// The workers, the timekeeper, the referee, and this one.
		if n := runtime.NumGoroutine() - before; n > 16+4 || runs.Load() == 0 {
			t.Errorf("got %d goroutines, %d runs begun; want at most %d, at least one", n, runs.Load(), 16+4)
		}
		close(counted)
		time.Sleep(9 * time.Minute)
		s.Stop()
		if runs.Load() != 10_000 {
			t.Errorf("got %d runs, want 10000", runs.Load())
		}
	})
}

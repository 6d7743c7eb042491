package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Stop turns the first TERM or INT into the end of Stopping, which ends polls in
// an orderly way. The second signal, or too long a wait, ends Context, which ends
// them at once.
type Stop struct {
	Context  context.Context
	Stopping <-chan struct{}
	end      func()
}

// stopTimeout is how long transactions in flight may take after the first
// signal: container managers kill a process after ten seconds. What is cut off
// is recorded as what it is, and nothing is lost.
const stopTimeout = 7 * time.Second

// Why it was broken off.
var (
	errSecondSignal = fmt.Errorf("stopped at once by a second signal: %w", context.Canceled)
	errStopTimeout  = fmt.Errorf("stopped %s after the signal to stop, with something still in flight: %w", stopTimeout, context.Canceled)
)

// WatchStop takes the signals TERM and INT until Close.
func WatchStop(parent context.Context) *Stop {
	ctx, cancel := context.WithCancelCause(parent)
	stopping := make(chan struct{})
	got := make(chan os.Signal, 2)
	signal.Notify(got, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-got:
			close(stopping)
		case <-done:
			return
		}
		limit := time.NewTimer(stopTimeout)
		defer limit.Stop()
		select {
		case <-got:
			cancel(errSecondSignal)
		case <-limit.C:
			cancel(errStopTimeout)
		case <-done:
		}
	})
	return &Stop{Context: ctx, Stopping: stopping, end: func() {
		signal.Stop(got)
		close(done)
		wg.Wait()
		cancel(nil)
	}}
}

// Begun reports whether the first signal has come, or the parent has ended.
func (s *Stop) Begun() bool {
	select {
	case <-s.Stopping:
		return true
	default:
		return s.Context.Err() != nil
	}
}

// Close gives the signals back.
func (s *Stop) Close() { s.end() }

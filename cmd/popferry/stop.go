package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// stopper turns the first TERM or INT into the end of stopping, which ends
// polls in an orderly way, and the second, or that this takes too long, into
// the end of ctx, which ends them at once.
type stopper struct {
	ctx      context.Context
	stopping <-chan struct{}
	end      func() // gives the signals back
}

// stopLimit is how long transactions in flight may take after the first
// signal: container managers kill what has not ended after ten seconds. What
// is broken off is written down as what it is, and nothing is lost.
const stopLimit = 7 * time.Second

// Why it was broken off.
var (
	errSecondSignal = fmt.Errorf("stopped at once by a second signal: %w", context.Canceled)
	errStopLimit    = fmt.Errorf("stopped %s after the signal to stop, with something still in flight: %w", stopLimit, context.Canceled)
)

// begun tells whether the first signal has come.
func (s *stopper) begun() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return s.ctx.Err() != nil
	}
}

func watchStop(parent context.Context) *stopper {
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
		limit := time.NewTimer(stopLimit)
		defer limit.Stop()
		select {
		case <-got:
			cancel(errSecondSignal)
		case <-limit.C:
			cancel(errStopLimit)
		case <-done:
		}
	})
	return &stopper{ctx: ctx, stopping: stopping, end: func() {
		signal.Stop(got)
		close(done)
		wg.Wait()
		cancel(nil)
	}}
}

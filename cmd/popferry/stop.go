package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// stopper turns the first TERM or INT into the end of stopping, which ends
// polls in an orderly way, and the second into the end of ctx, which ends them
// at once.
type stopper struct {
	ctx      context.Context
	stopping <-chan struct{}
	end      func() // gives the signals back
}

var errSecondSignal = errors.New("stopped at once by a second signal")

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
		select {
		case <-got:
			cancel(errSecondSignal)
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

package fetcher

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrStopped: the poll ended early because the program is being stopped or
// reloaded. Nothing failed.
var ErrStopped = errors.New("stopped before the end of the mailbox")

// grace is how long a POP3 session may go on after a stop: enough for its
// deletions, not for a long download.
const grace = 2 * time.Second

// graceful returns a context that ends a while after Stopping. The function it
// returns has to be called.
func (r *run) graceful(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-r.Stopping:
		case <-done:
			return
		}
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(ErrStopped)
		case <-done:
		}
	})
	return ctx, func() {
		close(done)
		wg.Wait()
		cancel(nil)
	}
}

// stop ends the poll: nothing new is begun. The first reason stays; ours tells
// that the fault is our own, so that nothing is deleted either.
func (r *run) stop(err error, ours bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.halt == nil {
		r.halt = err
	}
	r.ours = r.ours || ours
}

// ending tells whether the program is being stopped.
func (r *run) ending(ctx context.Context) bool {
	select {
	case <-r.Stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

// stopped tells whether nothing new is to be begun.
func (r *run) stopped(ctx context.Context) bool {
	select {
	case <-r.Stopping:
		r.stop(ErrStopped, false)
	case <-ctx.Done():
		r.stop(context.Cause(ctx), false)
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halt != nil
}

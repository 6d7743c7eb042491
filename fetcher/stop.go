package fetcher

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	place "github.com/popferry/popferry/fetcher/failpoint"
)

// failpoint is where a test may have the process die.
func failpoint(name string) { place.Hit(name) }

// gracePeriod is how long a POP3 session may go on after a stop: enough for its
// deletions, not for a long download.
const gracePeriod = 2 * time.Second

// withGrace returns a context that ends a while after Stopping, and with Turn.Cut. If
// the lease is lost it ends at once, for another process may be in the mailbox, and
// nothing new is begun.
// The function it returns has to be called.
func (p *poll) withGrace(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-p.Stopping:
		case <-p.Turn.Cut:
			cancel(ErrYielded)
			return
		case <-p.lease.Lost():
			cancel(p.tally.abort(p.lease.Alive()))
			return
		case <-done:
			return
		}
		t := time.NewTimer(gracePeriod)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(ErrStopped)
		case <-p.Turn.Cut:
			cancel(ErrYielded)
		case <-p.lease.Lost():
			cancel(p.tally.abort(p.lease.Alive()))
		case <-done:
		}
	})
	return ctx, func() {
		close(done)
		wg.Wait()
		cancel(nil)
	}
}

// stopping reports whether the program is being stopped.
func (p *Poller) stopping(ctx context.Context) bool {
	select {
	case <-p.Stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

// stopped reports whether nothing new is to be fetched.
func (p *poll) stopped(ctx context.Context) bool {
	p.heed(ctx)
	return p.tally.stopped()
}

// closed reports whether what was fetched is not to be sent either: popferry is
// stopping, has a fault of its own, or the destination takes no more. A session
// that ends, however it does, is no reason: what was fetched is delivered.
func (p *poll) closed(ctx context.Context) bool {
	p.heed(ctx)
	return p.tally.closedForSending()
}

// heed stops the poll if the program is being stopped, and ends its fetching if
// others wait.
func (p *poll) heed(ctx context.Context) {
	select {
	case <-p.Stopping:
		p.tally.stop(ErrStopped)
	case <-ctx.Done():
		p.tally.stop(context.Cause(ctx))
	default:
		if p.yields() {
			p.tally.endFetching(ErrYielded)
		}
	}
}

// orPanic is err or, where panicked is the value of a panic, that, which stops the poll.
func (p *poll) orPanic(err error, panicked any) error {
	if panicked == nil {
		return err
	}
	return p.tally.abort(&PanicError{Value: panicked, Stack: debug.Stack()})
}

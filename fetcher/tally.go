package fetcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
)

// tally is what the deliveries of a poll, which run side by side, share: the
// results so far, and whether to go on.
type tally struct {
	mu       sync.Mutex // guards all of it
	counts   Counts
	done     []identify.Match // forwarded in this session
	breaker  *outcome.Breaker
	halt     error // why nothing new is begun; nil: it goes on
	internal bool  // a fault of popferry's own, its ledger or its disk: nothing is deleted either
}

func newTally(lastSuccess time.Time) *tally {
	return &tally{breaker: outcome.NewBreaker(lastSuccess)}
}

// beginSession forgets what the session before forwarded.
func (t *tally) beginSession() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = nil
}

// stop ends the poll: nothing new is begun. The first reason stays.
func (t *tally) stop(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.halt == nil {
		t.halt = err
	}
}

// abort is stop for a fault of popferry's own, after which nothing is deleted. It
// returns its argument.
func (t *tally) abort(err error) error {
	t.stop(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.internal = true
	return err
}

func (t *tally) stopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.halt != nil
}

func (t *tally) aborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.internal
}

// count adds messages with one result.
func (t *tally) count(s ledger.State, n int, octets int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s {
	case ledger.Forwarded:
		t.counts.Forwarded += n
		t.counts.Octets += octets
	case ledger.Held:
		t.counts.Held += n
	case ledger.Deferred:
		t.counts.Deferred += n
	case ledger.Unknown:
		t.counts.Deferred += n
		t.counts.Unknown += n
	case ledger.Skipped:
		t.counts.Skipped += n
	case ledger.Sending, ledger.Gone:
	}
}

// delivered notes a finished delivery. It returns the refusals to be requeued and
// reports whether nothing more should be sent, as outcome.Breaker does.
func (t *tally) delivered(d *delivery, v outcome.Verdict) (requeue []outcome.Refusal, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.rec.State == ledger.Forwarded && !d.fromCopy {
		t.done = append(t.done, identify.Match{Entry: d.Entry, Known: d.rec.Known})
	}
	return t.breaker.Record(outcome.Delivery{Before: d.before, After: d.rec, Envelope: d.envelope, Verdict: v})
}

// requeued takes back what was counted of refused messages, of which so many were
// held and the others quarantined.
func (t *tally) requeued(recs []*ledger.Record, held int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = slices.DeleteFunc(t.done, func(m identify.Match) bool {
		return slices.ContainsFunc(recs, func(rec *ledger.Record) bool { return rec.ID == m.Known.ID })
	})
	t.counts.Held -= held
	t.counts.Forwarded -= len(recs) - held
	t.counts.Deferred += len(recs)
}

// forwarded are the messages that this session forwarded.
func (t *tally) forwarded() []identify.Match {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.done)
}

// result is what the poll came to: its counts, how many messages the destination
// accepted, and why it ended early.
func (t *tally) result() (counts Counts, accepted int, halt error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts, t.breaker.Accepted(), t.halt
}

// ErrStopped: the poll ended early because the program is being stopped or
// reloaded. Nothing failed.
var ErrStopped = errors.New("stopped before the end of the mailbox")

// gracePeriod is how long a POP3 session may go on after a stop: enough for its
// deletions, not for a long download.
const gracePeriod = 2 * time.Second

// withGrace returns a context that ends a while after Stopping. The function it
// returns has to be called.
func (p *Poller) withGrace(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-p.Stopping:
		case <-done:
			return
		}
		t := time.NewTimer(gracePeriod)
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

// stopping reports whether the program is being stopped.
func (p *Poller) stopping(ctx context.Context) bool {
	select {
	case <-p.Stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

// stopped reports whether nothing new is to be begun.
func (p *poll) stopped(ctx context.Context) bool {
	select {
	case <-p.Stopping:
		p.tally.stop(ErrStopped)
	case <-ctx.Done():
		p.tally.stop(context.Cause(ctx))
	default:
	}
	return p.tally.stopped()
}

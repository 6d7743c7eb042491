package mailboxes

import (
	"context"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/setup"
)

const (
	// maxTrials is how often servers are tried in each trialSpan: enough for typing
	// errors, and too few for guessing passwords or for looking around in a network.
	maxTrials = 5
	trialSpan = time.Minute
)

// trials limits how often servers are tried. The zero value is ready to use.
type trials struct {
	mu    sync.Mutex
	began [maxTrials]time.Time // of the last ones, in a ring
	next  int                  // of began, which is the oldest
}

// begin waits until a trial may begin, and says so if that takes long.
func (l *trials) begin(ctx context.Context, out setup.Output) error {
	for {
		wait := l.take(time.Now())
		if wait <= 0 {
			return nil
		}
		out.Say("Servers are tried %d times a minute at most from this page. The next trial begins in %d s.", maxTrials, int((wait+time.Second-1)/time.Second))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take counts a trial, or returns how long it has to wait.
func (l *trials) take(now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait = l.began[l.next].Add(trialSpan).Sub(now); wait > 0 {
		return wait
	}
	l.began[l.next] = now
	l.next = (l.next + 1) % maxTrials
	return 0
}

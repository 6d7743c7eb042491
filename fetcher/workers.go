package fetcher

import (
	"context"
	"time"
)

// workers are the transactions that run side by side. While there is no room
// for another one, the POP3 server is kept from logging us out (RFC 1939 3).
type workers struct {
	r     *run
	slots chan struct{}
	tick  *time.Ticker
}

// aliveGap bounds the time between two NOOPs; servers are seen that log out
// after two minutes.
const aliveGap = time.Minute

func (r *run) newWorkers() *workers {
	gap := aliveGap
	if t := r.a.Source.Timeout / 5; t > 0 {
		gap = min(gap, t)
	}
	return &workers{r: r, slots: make(chan struct{}, max(1, r.a.Destination.Forwarder.Workers())), tick: time.NewTicker(gap)}
}

// enter waits for room. That the session breaks meanwhile shows at its next
// command.
func (w *workers) enter(ctx context.Context) {
	for {
		select {
		case w.slots <- struct{}{}:
			return
		case <-w.tick.C:
			if w.r.s.Err() == nil {
				_ = w.r.s.alive(ctx)
			}
		}
	}
}

func (w *workers) leave() { <-w.slots }

// wait returns when all have left.
func (w *workers) wait(ctx context.Context) {
	for range cap(w.slots) {
		w.enter(ctx)
	}
	w.tick.Stop()
}

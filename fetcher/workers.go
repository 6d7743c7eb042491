package fetcher

import (
	"context"
	"sync"
	"time"
)

// workers are the transactions that run side by side. There may be so many, and
// together so many octets. While there is no room for another one, the POP3
// server is kept from logging us out (RFC 1939 3).
type workers struct {
	r    *run
	most int
	gap  time.Duration // of silence, at most
	left chan struct{} // one left; for the one who waits

	mu     sync.Mutex
	inside int
	octets int64
}

const (
	// aliveGap bounds the time without a command; servers are seen that log out
	// after two minutes.
	aliveGap = time.Minute
	// spooledOctets bounds what an account has in the spool, with one message
	// on top: what does not fit into memory lies on disk.
	spooledOctets = 64 << 20
)

func (r *run) newWorkers() *workers {
	gap := aliveGap
	if t := r.a.Source.Timeout / 5; t > 0 {
		gap = min(gap, t)
	}
	return &workers{
		r: r, most: max(1, r.a.Destination.Forwarder.Workers()),
		gap: gap, left: make(chan struct{}, 1),
	}
}

// enter waits for room for a message. That the session breaks meanwhile shows
// at its next command.
func (w *workers) enter(ctx context.Context, octets int64) {
	w.await(ctx, func() bool {
		if w.inside > 0 && (w.inside >= w.most || w.octets+octets > spooledOctets) {
			return false
		}
		w.inside++
		w.octets += octets
		return true
	})
}

// leave gives the room back.
func (w *workers) leave(octets int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inside--
	w.octets -= octets
	select {
	case w.left <- struct{}{}:
	default: // that somebody left is known already
	}
}

// wait returns when all have left.
func (w *workers) wait(ctx context.Context) {
	w.await(ctx, func() bool { return w.inside == 0 })
}

// await waits until done, which is asked under the lock, says so. A NOOP costs
// what was asked for ahead, so it comes only where nothing else was sent.
func (w *workers) await(ctx context.Context, done func() bool) {
	ask := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return done()
	}
	if ask() {
		return
	}
	silence := time.NewTimer(w.gap - w.r.s.Idle())
	defer silence.Stop()
	for !ask() {
		select {
		case <-w.left:
		case <-silence.C:
			if w.r.s.Err() == nil {
				_ = w.r.s.alive(ctx)
			}
			silence.Reset(w.gap)
		}
	}
}

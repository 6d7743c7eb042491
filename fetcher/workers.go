package fetcher

import (
	"context"
	"sync"
	"time"
)

// workers are the deliveries that run side by side. Their number is bounded, and
// so are the octets that they hold in the spool. While there is no room for
// another one, the POP3 session is kept from being logged out (RFC 1939 3).
type workers struct {
	box  keeper
	most int
	idle time.Duration // of the session, at most
	left chan struct{} // one left; for the one who waits

	mu     sync.Mutex
	inside int
	octets int64
}

// keeper is a POP3 session that is to be kept alive.
type keeper interface {
	Idle() time.Duration
	Err() error
	KeepAlive(context.Context) error
}

const (
	// maxIdle bounds the time without a command; some servers log out after two
	// minutes.
	maxIdle = time.Minute
	// spooledOctets bounds what an account has in the spool, with one message
	// on top: what does not fit into memory lies on disk.
	spooledOctets = 64 << 20
)

// newWorkers returns room for so many deliveries. timeout is that of the session.
func newWorkers(box keeper, timeout time.Duration, most int) *workers {
	idle := maxIdle
	if t := timeout / 5; t > 0 {
		idle = min(idle, t)
	}
	return &workers{box: box, most: max(1, most), idle: idle, left: make(chan struct{}, 1)}
}

// enter waits for room for a message. If the session breaks meanwhile, its next
// command shows it.
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
	default: // it is known already that one left
	}
}

// wait returns when all have left.
func (w *workers) wait(ctx context.Context) {
	w.await(ctx, func() bool { return w.inside == 0 })
}

// await waits until done, which is called under the lock, reports true. A NOOP
// costs what was pipelined, so it is sent only after silence.
func (w *workers) await(ctx context.Context, done func() bool) {
	ready := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return done()
	}
	if ready() {
		return
	}
	silence := time.NewTimer(w.idle - w.box.Idle())
	defer silence.Stop()
	for !ready() {
		select {
		case <-w.left:
		case <-silence.C:
			if w.box.Err() == nil {
				_ = w.box.KeepAlive(ctx)
			}
			silence.Reset(w.idle)
		}
	}
}

package smtp

import (
	"context"
	"time"
)

// turn is a transaction's place in the line of its session. Each writes after
// the one before has written, and reads after the one before has read.
type turn struct {
	before   *turn
	first    bool          // nothing was on the session before
	idle     bool          // the session had nothing to do before: it may have ended since
	rested   bool          // for so long that this is not unlikely
	written  chan struct{} // closed when the next may write
	answered chan struct{} // closed when the next may read

	// What the next one has to know, set before written is closed; dirty may be
	// set once more before answered is.

	// chunked tells that the message went out by BDAT: as long as it is not
	// answered, nobody knows how the transaction ended.
	chunked bool
	// dirty tells that the transaction did not come to its end: the next one
	// has to reset the session first.
	dirty bool
}

// restedAfter is how long a session has to be idle to be taken for one that may
// have ended.
const restedAfter = time.Second

// join puts a transaction into the session's line. It is called under the lock
// of the queue.
func (s *session) join(now time.Time) *turn {
	s.expiry.Stop()
	t := &turn{before: s.last, first: s.last == nil, idle: s.used && s.load == 0, written: make(chan struct{}), answered: make(chan struct{})}
	t.rested = t.idle && now.Sub(s.since) >= restedAfter
	s.last = t
	s.load++
	return t
}

// toWrite waits for the right to write.
func (t *turn) toWrite(ctx context.Context) error {
	return t.await(ctx, func(b *turn) chan struct{} { return b.written })
}

// toRead waits for the right to read.
func (t *turn) toRead(ctx context.Context) error {
	return t.await(ctx, func(b *turn) chan struct{} { return b.answered })
}

func (t *turn) await(ctx context.Context, what func(*turn) chan struct{}) error {
	if t.before == nil {
		return nil
	}
	select {
	case <-what(t.before):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// needsReset tells whether the one before may have left a transaction open.
// BDAT that fails does (RFC 3030 section 2); as long as it is not answered
// nobody knows. To be asked with the right to write.
func (t *turn) needsReset() bool {
	if t.before == nil {
		return false
	}
	select {
	case <-t.before.answered:
		return t.before.dirty
	default:
		return t.before.chunked || t.before.dirty
	}
}

// wrote gives the right to write on, once.
func (t *turn) wrote() {
	select {
	case <-t.written:
	default:
		close(t.written)
	}
}

// done gives on what is left.
func (t *turn) done() {
	t.before = nil // or the line would grow for ever
	t.wrote()
	close(t.answered)
}

// pass is for a transaction that does not take its turn: the next one finds
// what this one would have found.
func (t *turn) pass() {
	if t.before == nil {
		t.done()
		return
	}
	go func() {
		<-t.before.written
		<-t.before.answered
		t.dirty = t.before.dirty
		t.done()
	}()
}

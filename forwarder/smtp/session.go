package smtp

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/forwarder/queue"
)

// session is one open connection: greeted, behind TLS where that is wanted, and
// logged in. Several transactions can be on it at a time, one behind the other,
// each in a slot of its own.
type session struct {
	*wire
	queue.Attempt
	o     *Options
	quirk *quirks
	raw   net.Conn // below all TLS; closed when something fails
	trace *traced  // nil: not traced
	ext   extensions

	// over is set when no further transaction may be put on the session.
	over atomic.Bool

	// Guarded by the right to read:

	signatures replySignatures
	tookBDAT   bool   // the server has accepted a message by BDAT
	lost       error  // why nothing can be read any more; the connection is closed then
	closing421 *reply // the 421 by which the server ends the session, until it takes something again

	// Guarded by the queue's lock:

	lastSlot *slot // the newest
}

// pipelines reports whether a command may be sent before the replies to those
// in front of it have been read.
func (s *session) pipelines() bool { return s.ext.pipelining && !s.quirk.Has(noPipelining) }

// chunks reports whether messages are sent by BDAT. In LMTP, where the number
// of replies depends on how many recipients were accepted, they are not.
// Only a message that goes alone is, for its recipients are known. Nor are they
// where that is slower than DATA.
func (s *session) chunks() bool {
	return s.offers().chunking && !s.o.LMTP && !s.quirk.slowBDAT.Load()
}

// offers are the server's extensions without those that it was found not to have.
func (s *session) offers() extensions {
	e := s.ext
	e.chunking = e.chunking && !s.quirk.Has(noBDAT)
	return e
}

// Over reports whether no further transaction may be put on the session.
func (s *session) Over() bool { return s.over.Load() }

// Retire makes it so.
func (s *session) Retire() { s.over.Store(true) }

// Capacity is how many transactions the session takes at a time. Without
// pipelining that is one. With it, a second one may wait behind the final dot of
// the first; with CHUNKING, whole messages are sent without a wait, so there may
// be as many as are in flight.
//
// Some servers lose or refuse what comes right behind a final dot, so nothing
// waits behind the first message of a session: what it shows is not to be paid
// for by another message.
func (s *session) Capacity(used bool) int {
	switch {
	case !used, !s.pipelines():
		return 1
	case s.chunks() && s.signatures.distinguishable.Load():
		return s.o.InFlight
	case s.quirk.Has(noPipeliningBehindDot):
		return 1
	case s.chunks():
		return s.o.InFlight
	}
	return 2
}

// Abort closes the connection as it is. It can be called at any time and more
// than once. TLS is not closed first, because that could block.
func (s *session) Abort() { _ = s.raw.Close() }

// Quit ends the session with QUIT, unless it has ended already. Nothing depends on the
// reply. No transaction may be on the session.
func (s *session) Quit() { s.goodbye(func() { _, _ = s.command("QUIT") }) }

// Leave is Quit without waiting for the reply.
func (s *session) Leave() {
	s.goodbye(func() {
		_ = s.send("QUIT")
		_ = s.w.Flush()
	})
}

func (s *session) goodbye(say func()) {
	defer s.Abort()
	if s.lost != nil || s.closing421 != nil {
		return
	}
	limit := time.AfterFunc(quitTimeout, s.Abort)
	defer limit.Stop()
	say()
}

// end closes the session's connection because of err. The caller has the right
// to read.
func (s *session) end(err error) {
	s.over.Store(true)
	if s.lost == nil {
		s.lost = err
	}
	s.Abort()
}

// rawConn returns the connection below all TLS.
func rawConn(c net.Conn) net.Conn {
	for {
		over, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = over.NetConn()
	}
}

// slot is one transaction's place in the pipeline of its session. A transaction
// writes when the one before has written, and reads when the one before has
// read.
type slot struct {
	before   *slot
	first    bool // the session had no transaction before
	place    queue.Place
	written  chan struct{} // closed when the next one may write
	answered chan struct{} // closed when the next one may read

	// For the next one, set before written is closed; needsRset may also be set
	// until answered is closed.

	// chunked: the message was sent by BDAT. Until it is answered nobody knows
	// how the transaction ended.
	chunked bool
	// needsRset: the transaction was left open, or was refused at its end, where
	// some servers leave it open. RSET has to end it.
	needsRset bool
}

// Join puts a transaction at the end of the session's pipeline.
func (s *session) Join(p queue.Place) *slot {
	sl := &slot{before: s.lastSlot, first: s.lastSlot == nil, place: p, written: make(chan struct{}), answered: make(chan struct{})}
	s.lastSlot = sl
	return sl
}

// awaitWrite waits for the right to write.
func (sl *slot) awaitWrite(ctx context.Context) error {
	return sl.await(ctx, func(before *slot) chan struct{} { return before.written })
}

// awaitRead waits for the right to read.
func (sl *slot) awaitRead(ctx context.Context) error {
	return sl.await(ctx, func(before *slot) chan struct{} { return before.answered })
}

func (sl *slot) await(ctx context.Context, what func(*slot) chan struct{}) error {
	if sl.before == nil {
		return nil
	}
	select {
	case <-what(sl.before):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rsetFirst reports whether the transaction before may have been left open, as
// a refused BDAT leaves it (RFC 3030 2). The caller has the right to write.
func (sl *slot) rsetFirst() bool {
	if sl.before == nil {
		return false
	}
	select {
	case <-sl.before.answered:
		return sl.before.needsRset
	default:
		return sl.before.chunked || sl.before.needsRset
	}
}

// behindDot reports whether what is written now comes behind the final dot of a
// message that is not answered yet. The caller has the right to write.
func (sl *slot) behindDot() bool {
	if sl.before == nil {
		return false
	}
	select {
	case <-sl.before.answered:
		return false
	default:
		return !sl.before.chunked
	}
}

// queued reports whether transactions in front of this one are not answered yet.
// The caller has the right to write.
func (sl *slot) queued() bool {
	if sl.before == nil {
		return false
	}
	select {
	case <-sl.before.answered:
		return false
	default:
		return true
	}
}

// releaseWrite passes the right to write on. It may be called again.
func (sl *slot) releaseWrite() {
	select {
	case <-sl.written:
	default:
		close(sl.written)
	}
}

// done passes on every right that the slot still has.
func (sl *slot) done() {
	sl.before = nil // or the chain would grow for ever
	sl.releaseWrite()
	close(sl.answered)
}

// skip is for a transaction that does not take place: the next one finds what
// this one would have found.
func (sl *slot) skip() {
	if sl.before == nil {
		sl.done()
		return
	}
	go func() {
		<-sl.before.written
		<-sl.before.answered
		sl.needsRset = sl.before.needsRset
		sl.done()
	}()
}

package imap

import (
	"context"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
	"github.com/popferry/popferry/forwarder/queue"
)

// session is one open connection: greeted, behind TLS where that is wanted, and
// logged in.
type session struct {
	*wire.Conn
	queue.Attempt
	o     *Options
	quirk *quirks

	// Guarded by the queue's lock:

	proven bool          // the server has taken a message on it
	tail   chan struct{} // closed when the newest transaction has written
}

// Retire makes the session Over.
func (s *session) Retire() { s.End() }

// Capacity is how many transactions the session takes at a time: the second one
// waits to be asked for its message, behind the answer to the first; more than that
// are of use where the server need not ask. Nothing is sent behind the first message
// that the server takes on a session: what that shows is not to be paid for by another
// one.
func (s *session) Capacity(bool) int {
	switch {
	case !s.proven, s.quirk.Has(noPipelining):
		return 1
	case s.streams():
		return s.o.InFlight
	}
	return 2
}

// streams reports whether messages follow each other on the session without having
// been asked for.
func (s *session) streams() bool { return s.caps().Has("LITERAL+") && !s.quirk.Has(noPipelining) }

// caps are what the server says that it can do.
func (s *session) caps() wire.Capabilities {
	caps, _ := s.Capabilities()
	return caps
}

// outcome is what an answer says, as package forwarder has it.
func (s *session) outcome(r *wire.Response, stage forwarder.Stage) forwarder.Outcome {
	return translate(r, stage, s.Said(r))
}

// command is a command with the usual time. data takes what the server says before
// the answer.
func (s *session) command(data func(*wire.Response) error) *wire.Command {
	return &wire.Command{Wait: s.o.Timeout, Data: data}
}

// Quit ends the session by LOGOUT (RFC 9051 6.1.3). Nothing depends on the answer.
func (s *session) Quit() { s.goodbye(func() { _, _ = s.Do("LOGOUT") }) }

// Leave is Quit without waiting for the answer.
func (s *session) Leave() {
	s.goodbye(func() {
		_ = s.Start(s.command(nil), "LOGOUT", "LOGOUT")
		_ = s.Flush()
	})
}

func (s *session) goodbye(say func()) {
	limit := time.AfterFunc(logoutTimeout, s.Abort)
	defer limit.Stop()
	say()
	s.Abort()
}

// cause is why the connection failed: ctx if that closed it, or else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// slot is one transaction's place in the order of its session: each writes when
// the one before has written.
type slot struct {
	before  <-chan struct{} // closed when the one before has written; nil: there is none
	written chan struct{}
	once    sync.Once
	place   queue.Place
	proven  bool // the server has taken a message on the session
}

// Join puts a transaction behind the others.
func (s *session) Join(p queue.Place) *slot {
	sl := &slot{before: s.tail, written: make(chan struct{}), place: p, proven: s.proven}
	s.tail = sl.written
	return sl
}

// await waits for the right to write. With an error, which is that of ctx, the right
// is passed on when it comes.
func (sl *slot) await(ctx context.Context) error {
	if sl.before == nil {
		return nil
	}
	select {
	case <-sl.before:
		return nil
	case <-ctx.Done():
	}
	go func() {
		<-sl.before
		sl.passOn()
	}()
	return context.Cause(ctx)
}

// passOn lets the next transaction write. It may be called again.
func (sl *slot) passOn() { sl.once.Do(func() { close(sl.written) }) }

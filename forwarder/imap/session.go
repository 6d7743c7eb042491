package imap

import (
	"context"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// session is one open connection: greeted, behind TLS where that is wanted, and
// logged in.
type session struct {
	*wire.Conn
	o       *Options
	quirk   *quirks
	again   bool   // a login failed, and another way of logging in was tried
	refused string // the token that was refused before this one; "": none was

	// Guarded by the queue's lock:

	load      int           // transactions that it has
	used      bool          // it has had a message
	proven    bool          // the server has taken a message on it
	surplus   bool          // it is to end, because the server takes fewer sessions
	idleSince time.Time     // when it became idle
	expiry    *time.Timer   // ends it when it stays idle
	tail      chan struct{} // closed when the newest transaction has written
}

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

// logout ends the session by LOGOUT (RFC 9051 6.1.3). Nothing depends on the
// answer.
func (s *session) logout() {
	limit := time.AfterFunc(logoutTimeout, s.Abort)
	defer limit.Stop()
	_, _ = s.Do("LOGOUT")
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
	idle    bool // the session had nothing to do before: it may have ended since
	rested  bool // for so long that it may well have
	behind  bool // there are others on it
	proven  bool // the server has taken a message on the session
}

// restAfter is how long a session has to be idle before it counts as rested.
const restAfter = time.Second

// newSlot puts a transaction behind the others. The caller holds the queue's lock.
func (s *session) newSlot(now time.Time) *slot {
	s.expiry.Stop()
	sl := &slot{before: s.tail, written: make(chan struct{}), idle: s.used && s.load == 0, behind: s.load > 0, proven: s.proven}
	sl.rested = sl.idle && now.Sub(s.idleSince) >= restAfter
	s.tail = sl.written
	s.load++
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

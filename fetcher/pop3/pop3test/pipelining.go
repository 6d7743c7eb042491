package pop3test

import (
	"bytes"
	"time"
)

// Pipelining is how a server treats commands that arrive before it has sent the
// replies to earlier ones (RFC 2449 section 6.6).
type Pipelining int

// The ways to treat commands that wait. All except PipeliningHidden offer
// PIPELINING in CAPA, unless Options.Capabilities is set.
const (
	PipeliningWorks    Pipelining = iota // each is answered in turn
	PipeliningHidden                     // likewise, but it is not offered
	PipeliningDiscards                   // after the login, commands that wait when a reply is sent are discarded
	PipeliningCloses                     // after the login, the session ends without the reply that was due
)

// grace is how long a misbehaving server waits for more commands.
const grace = time.Millisecond

// MostWaiting is the largest number of commands that waited behind the one being
// answered, in any session: 0 if no client sent any ahead.
func (s *Server) MostWaiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// countWaiting counts the whole lines in the buffer.
func (s *Session) countWaiting() {
	p, _ := s.in.Peek(s.in.Buffered()) // no more than is buffered: no error
	n := bytes.Count(p, []byte("\n"))
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	s.srv.waiting = max(s.srv.waiting, n)
}

// misbehave is called when a reply has been written but not yet sent whole: what
// has come by then was sent ahead. A client that waits for replies is spared.
func (s *Session) misbehave() {
	mode := s.srv.o.Pipelining
	if s.over || s.user == "" || mode != PipeliningDiscards && mode != PipeliningCloses {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(grace)) // fails if the client is gone; the next read returns that
	_, err := s.in.Peek(1)
	_ = s.conn.SetReadDeadline(time.Time{})
	if err != nil {
		return // no command waits
	}
	s.countWaiting()
	if mode == PipeliningCloses {
		s.out.Reset(s.conn)
		s.Close()
		return
	}
	_, _ = s.in.Discard(s.in.Buffered()) // buffered: no error
}

// hasLine reports whether there is a whole line in the buffer.
func (s *Session) hasLine() bool {
	p, _ := s.in.Peek(s.in.Buffered()) // no more than is buffered: no error
	return bytes.IndexByte(p, '\n') >= 0
}

package pop3test

import (
	"bytes"
	"time"
)

// Pipelining is what a server makes of commands that come before the replies
// to earlier ones have gone out (RFC 2449 section 6.6).
type Pipelining int

// The ways to deal with what waits. All but PipeliningHidden offer it in CAPA,
// unless Options.Capabilities says something else.
const (
	PipeliningWorks    Pipelining = iota // each is answered in its turn
	PipeliningHidden                     // so, but it is not offered
	PipeliningDiscards                   // after the login what waits when a reply goes out is thrown away
	PipeliningCloses                     // after the login the session ends, and the reply that was due is not sent
)

// grace is how long a server that misbehaves looks whether more is coming.
const grace = time.Millisecond

// MostWaiting is how many commands at most were seen waiting behind the one to
// be answered, in any session: 0 if no client sent any ahead.
func (s *Server) MostWaiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// countWaiting notes how many whole lines lie in the buffer.
func (s *Session) countWaiting() {
	p, _ := s.in.Peek(s.in.Buffered()) // no more than is there: no error
	n := bytes.Count(p, []byte("\n"))
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	s.srv.waiting = max(s.srv.waiting, n)
}

// settle is called when a reply has been written and before its end goes out:
// whatever has come by then was sent ahead. That is the moment to misbehave,
// for a client that waits for replies must not suffer.
func (s *Session) settle() {
	mode := s.srv.o.Pipelining
	if s.over || s.user == "" || mode != PipeliningDiscards && mode != PipeliningCloses {
		return
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(grace)) // fails if the client is gone: the next read tells
	_, err := s.in.Peek(1)
	_ = s.conn.SetReadDeadline(time.Time{})
	if err != nil {
		return // nothing waits
	}
	s.countWaiting()
	if mode == PipeliningCloses {
		s.out.Reset(s.conn)
		s.Close()
		return
	}
	_, _ = s.in.Discard(s.in.Buffered()) // it is there: no error
}

// hasLine tells whether a whole line lies in the buffer.
func (s *Session) hasLine() bool {
	p, _ := s.in.Peek(s.in.Buffered()) // no more than is there: no error
	return bytes.IndexByte(p, '\n') >= 0
}

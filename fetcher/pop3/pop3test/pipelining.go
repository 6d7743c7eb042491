package pop3test

import (
	"bytes"
	"io"
	"sync"
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
	if s.ahead == nil {
		s.readAhead()
	}
	if s.in.Buffered() == 0 && !s.ahead.waits() {
		return
	}
	if _, err := s.in.Peek(1); err != nil {
		return // the client is gone; the next read returns that
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

// readAhead has another goroutine read what the client sends, so that what has
// arrived is seen however late this one comes to look. A read with a deadline
// would not do: where the deadline has passed before it begins, it returns
// without looking.
func (s *Session) readAhead() {
	p, _ := s.in.Peek(s.in.Buffered()) // no more than is buffered: no error
	s.ahead = &aheadReader{octets: bytes.Clone(p)}
	s.ahead.changed.L = &s.ahead.mu
	go s.ahead.run(s.conn)
	s.in.Reset(s.ahead)
}

// aheadReader holds what has arrived and was not read yet.
type aheadReader struct {
	mu      sync.Mutex
	changed sync.Cond
	octets  []byte
	err     error // after the octets
}

// run reads until the connection ends.
func (r *aheadReader) run(in io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := in.Read(buf)
		r.mu.Lock()
		r.octets = append(r.octets, buf[:n]...)
		r.err = err
		r.changed.Broadcast()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (r *aheadReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.octets) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.changed.Wait()
	}
	n := copy(p, r.octets)
	r.octets = r.octets[n:]
	return n, nil
}

// waits reports whether something has arrived, or does so within grace.
func (r *aheadReader) waits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	late := false
	timer := time.AfterFunc(grace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.changed.Broadcast()
	})
	defer timer.Stop()
	for len(r.octets) == 0 && r.err == nil && !late {
		r.changed.Wait()
	}
	return len(r.octets) > 0
}

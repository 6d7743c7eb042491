package pop3test

import (
	"bytes"
	"io"
	"slices"
)

// Message is a message in a mailbox.
type Message struct {
	UID    string
	Octets []byte // raw; dots are stuffed when they are sent
	// Open, if not nil, returns the octets instead, for messages that are not
	// in memory; Size is then their number.
	Open func() io.Reader
	Size int64
}

// open returns the message's octets.
func (m *Message) open() io.Reader {
	if m.Open != nil {
		return m.Open()
	}
	return bytes.NewReader(m.Octets)
}

// size is the size in LIST: the octets that are sent, without stuffing.
func (m *Message) size() int64 {
	switch {
	case m.Open != nil:
		return m.Size
	case len(m.Octets) == 0 || bytes.HasSuffix(m.Octets, []byte("\r\n")):
		return int64(len(m.Octets))
	}
	return int64(len(m.Octets)) + 2 // the CRLF that is sent behind it
}

// mailbox is the mailbox of one user. The server's lock guards it.
type mailbox struct {
	messages []*Message
	users    int // sessions that use it
}

// box returns a user's mailbox. The server's lock is held.
func (s *Server) box(user string) *mailbox {
	b := s.boxes[user]
	if b == nil {
		b = &mailbox{}
		s.boxes[user] = b
	}
	return b
}

// Add appends messages to a mailbox. Sessions that have begun do not see them.
func (s *Server) Add(user string, messages ...Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(user)
	for _, m := range messages {
		b.messages = append(b.messages, &m)
	}
}

// Messages returns what is in a mailbox now.
func (s *Server) Messages(user string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.box(user).messages {
		out = append(out, *m)
	}
	return out
}

// Change replaces the contents of a mailbox by the result of f, as another
// client, a migration or a restored backup would. Messages with the same UID and
// the same octets stay the same for sessions that have begun.
func (s *Server) Change(user string, f func([]Message) []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(user)
	var now []Message
	for _, m := range b.messages {
		now = append(now, *m)
	}
	old := b.messages
	b.messages = nil
	for _, m := range f(now) {
		i := slices.IndexFunc(old, func(o *Message) bool { return o.UID == m.UID && bytes.Equal(o.Octets, m.Octets) })
		if i >= 0 && m.Open == nil {
			b.messages = append(b.messages, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			continue
		}
		b.messages = append(b.messages, &m)
	}
}

// enter begins a session with a mailbox; false if it is locked.
func (s *Server) enter(user string) ([]*Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(user)
	if s.o.Lock && b.users > 0 {
		return nil, false
	}
	b.users++
	return slices.Clone(b.messages), true
}

// leave ends a session with a mailbox and deletes messages.
func (s *Server) leave(user string, deleted map[*Message]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.box(user)
	b.users--
	if len(deleted) > 0 {
		b.messages = slices.DeleteFunc(b.messages, func(m *Message) bool { return deleted[m] })
	}
}

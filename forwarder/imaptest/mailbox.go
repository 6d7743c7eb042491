package imaptest

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// Message is a message as it is stored.
type Message struct {
	UID    uint32
	Date   time.Time // INTERNALDATE; zero: none was given
	Octets []byte
	Labels []string
	Flags  string // as given with APPEND
}

// field returns a field of the message's header.
func (m Message) field(name string) string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Octets))
	if err != nil {
		return ""
	}
	return parsed.Header.Get(name)
}

// header returns fields of the message's header as they stand there, and the empty
// line behind them.
func (m Message) header(names []string) string {
	head, _, _ := strings.Cut(string(m.Octets), "\r\n\r\n")
	var b strings.Builder
	wanted := false
	for line := range strings.SplitSeq(head, "\r\n") {
		if line == "" || line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(line, ":")
			wanted = slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		}
		if wanted {
			b.WriteString(line + "\r\n")
		}
	}
	return b.String() + "\r\n"
}

// folder is a folder of the one account.
type folder struct {
	attributes string
	validity   uint32
	next       uint32
	messages   []Message
}

// add stores a message and returns its UID.
func (f *folder) add(m Message) uint32 {
	m.UID = f.next
	f.next++
	f.messages = append(f.messages, m)
	return m.UID
}

// Messages returns what lies in a folder.
func (s *Server) Messages(name string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	if f == nil {
		return nil
	}
	return slices.Clone(f.messages)
}

// Folders returns the names of all folders.
func (s *Server) Folders() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.folders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Append stores a message, as another client would.
func (s *Server) Append(name string, octets []byte) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store(name, Message{Octets: octets})
}

// Move moves a message to the end of another folder.
func (s *Server) Move(uid uint32, from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[from]
	i := slices.IndexFunc(f.messages, func(m Message) bool { return m.UID == uid })
	m := f.messages[i]
	f.messages = slices.Delete(f.messages, i, i+1)
	s.folders[to].add(m)
}

// Renumber gives a folder another UIDVALIDITY, and its messages other UIDs.
func (s *Server) Renumber(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[name]
	f.validity++
	f.next = 1
	for i := range f.messages {
		f.messages[i].UID = f.next
		f.next++
	}
}

// store puts a message into a folder, and where all mail is. The caller has the
// lock.
func (s *Server) store(name string, m Message) uint32 {
	if s.o.Merges {
		m.Octets = s.firstBody(m)
	}
	for other, f := range s.folders {
		if other != name && s.o.Merges && f.attributes == `\All` {
			f.add(m)
		}
	}
	return s.folders[name].add(m)
}

// firstBody is the body that is kept for a message.
func (s *Server) firstBody(m Message) []byte {
	id := m.field("Message-ID")
	if id == "" {
		return m.Octets
	}
	if _, there := s.bodies[id]; !there {
		s.bodies[id] = m.Octets
	}
	return s.bodies[id]
}

// shown is what the server lets a client see of a folder.
func (s *Server) shown(f *folder) []Message {
	if n := s.o.Newest; n > 0 && len(f.messages) > n {
		return f.messages[len(f.messages)-n:]
	}
	return f.messages
}

// Remove removes a folder with what lies in it.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.folders, name)
}

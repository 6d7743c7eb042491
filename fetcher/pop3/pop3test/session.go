package pop3test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
)

// Session is one connection. Its methods are for Options.Handle, which is
// called in the session's goroutine.
type Session struct {
	Number int // 1 for the first connection

	srv  *Server
	raw  net.Conn
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	over bool

	ahead *aheadReader // what in reads from, where pipelined commands are discarded or close the session

	name     string // what USER said
	user     string // logged in as
	messages []*Message
	deleted  map[*Message]bool
	commit   bool // QUIT was said: deletions are done
}

func newSession(srv *Server, conn net.Conn, number int) *Session {
	s := &Session{Number: number, srv: srv, raw: conn, deleted: make(map[*Message]bool)}
	s.use(conn)
	return s
}

// use makes conn the connection in use.
func (s *Session) use(conn net.Conn) {
	s.conn, s.in, s.out = conn, bufio.NewReaderSize(conn, 16<<10), bufio.NewWriterSize(conn, 32<<10)
}

// serve runs the session from the greeting to its end.
func (s *Session) serve() {
	defer s.end()
	if s.srv.o.TLS != nil && s.srv.o.ImplicitTLS {
		s.use(tls.Server(s.raw, s.srv.o.TLS))
	}
	s.dispatch("", "")
	for !s.over {
		line, err := s.ReadLine()
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, " ")
		s.dispatch(strings.ToUpper(verb), arg)
		s.misbehave()
	}
}

// dispatch answers one command.
func (s *Session) dispatch(verb, arg string) {
	if h := s.srv.o.Handle; h != nil && h(s, verb, arg) {
		return
	}
	s.Do(verb, arg)
}

// end ends the session. Deletions are done before the last reply is sent, so the
// client can rely on them. Unread octets of the client would turn the end into a
// reset, and the client might lose that reply: so this side is closed first and
// the rest is read and discarded.
func (s *Session) end() {
	s.leave()
	_ = s.out.Flush() // the client may be gone
	if t, ok := s.raw.(*net.TCPConn); ok && t.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, t)
	}
	s.kill()
}

// leave gives the mailbox back.
func (s *Session) leave() {
	if s.user == "" {
		return
	}
	deleted := s.deleted
	if !s.commit {
		deleted = nil // RFC 1939 section 6: no UPDATE without QUIT
	}
	s.srv.leave(s.user, deleted)
	s.user = ""
}

// kill closes the connection at once; from any goroutine.
func (s *Session) kill() {
	_ = s.raw.Close() // an error of closing does not matter
}

// ReadLine reads the client's next line, without its line end, and logs it. What
// was written before is sent first, unless the line has arrived already: the
// replies to pipelined commands are sent together.
func (s *Session) ReadLine() (string, error) {
	if !s.hasLine() {
		if err := s.out.Flush(); err != nil {
			return "", err
		}
	}
	line, err := s.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	s.countWaiting()
	s.srv.note(Command{Session: s.Number, User: s.user, TLS: s.TLS(), Line: line})
	return line, nil
}

// Write sends raw octets. Errors end the session at the next command.
func (s *Session) Write(raw string) {
	_, _ = s.out.WriteString(raw)
}

// Flush sends what was written so far, usually in a TCP segment of its own. It
// fails when the client is gone.
func (s *Session) Flush() error {
	return s.out.Flush()
}

// OK answers +OK and the text.
func (s *Session) OK(format string, args ...any) {
	s.Write(strings.TrimRight("+OK "+fmt.Sprintf(format, args...), " ") + "\r\n")
}

// Err answers -ERR and the text.
func (s *Session) Err(format string, args ...any) {
	s.Write(strings.TrimRight("-ERR "+fmt.Sprintf(format, args...), " ") + "\r\n")
}

// Lines answers +OK and several lines, dot-stuffed, with the final dot.
func (s *Session) Lines(text string, lines ...string) {
	s.OK("%s", text)
	for _, l := range lines {
		if strings.HasPrefix(l, ".") {
			l = "." + l
		}
		s.Write(l + "\r\n")
	}
	s.Write(".\r\n")
}

// User is the user who is logged in, "" before the login.
func (s *Session) User() string { return s.user }

// TLS reports whether the session uses TLS.
func (s *Session) TLS() bool { return s.conn != s.raw }

// Message is the message with a number as in RETR, nil if there is none.
func (s *Session) Message(number string) *Message {
	if i := s.index(number); i >= 0 {
		return s.messages[i]
	}
	return nil
}

// Close ends the session once what was written is sent: the client sees the end
// of the connection, without TLS's close_notify, as with many servers.
func (s *Session) Close() {
	s.over = true
}

// Reset ends the session by a RST; what was written may be lost.
func (s *Session) Reset() {
	s.over = true
	if t, ok := s.raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // else the end would be an orderly one
	}
	s.kill()
}

// Hang sends nothing more until the client gives up, and logs what it sends.
func (s *Session) Hang() {
	s.over = true
	for {
		if _, err := s.ReadLine(); err != nil {
			return
		}
	}
}

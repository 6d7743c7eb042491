package pop3test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
)

// Options are the properties of a server. The zero value is a server without TLS
// and users.
type Options struct {
	Users map[string]string // passwords by user name
	// TLS is for STLS, or from the first octet on if ImplicitTLS.
	TLS         *tls.Config
	ImplicitTLS bool
	// Greeting is the text after the first +OK; "popferry test server" if
	// empty. With an APOP timestamp ("<...@...>") in it, APOP works.
	Greeting string
	// Capabilities are the lines of CAPA; nil: what the server supports. STLS
	// is added where it is possible.
	Capabilities []string
	// SASL are more mechanisms of AUTH, by name in upper case.
	SASL map[string]Mechanism
	// Pipelining is how commands that are sent ahead are treated.
	Pipelining Pipelining
	// Lock allows one session per mailbox; others get [IN-USE].
	Lock bool
	// Handle is called for each command first, with the verb in upper case;
	// it returns whether it has answered. Verb "" is the greeting.
	Handle func(s *Session, verb, arg string) bool
}

// Server is a POP3 server. Its methods may be called from any goroutine.
type Server struct {
	o        Options
	listener net.Listener
	done     sync.WaitGroup // of all goroutines

	mu       sync.Mutex
	boxes    map[string]*mailbox
	sessions map[*Session]struct{}
	count    int // of sessions, ever
	waiting  int // see MostWaiting
	log      []Command
	closed   bool
}

// NewServer makes a server that does not listen yet.
func NewServer(o Options) *Server {
	return &Server{o: o, boxes: make(map[string]*mailbox), sessions: make(map[*Session]struct{})}
}

// Start listens on a free port of 127.0.0.1.
func (s *Server) Start() error {
	return s.Listen("127.0.0.1:0")
}

// Listen listens on a TCP address and serves it until Close.
func (s *Server) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.listener = l
	s.done.Go(s.accept)
	return nil
}

// Addr is the listening address, such as "127.0.0.1:12345".
func (s *Server) Addr() string {
	return s.listener.Addr().String()
}

// Close ends all sessions and waits for all goroutines.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var err error
	if s.listener != nil {
		err = s.listener.Close()
	}
	for sess := range s.sessions {
		sess.kill()
	}
	s.mu.Unlock()
	s.done.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept serves connections until the listener is closed.
func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = conn.Close() // it came too late
			return
		}
		s.count++
		sess := newSession(s, conn, s.count)
		s.sessions[sess] = struct{}{}
		s.mu.Unlock()
		s.done.Go(func() {
			sess.serve()
			s.mu.Lock()
			delete(s.sessions, sess)
			s.mu.Unlock()
		})
	}
}

// Sessions is how many connections were accepted so far.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Command is one line that a client sent.
type Command struct {
	Session int    // 1 for the first connection
	User    string // logged in as; "" before the login
	TLS     bool
	Line    string // without its line end
}

// Verb is the first word in upper case.
func (c Command) Verb() string {
	verb, _, _ := strings.Cut(c.Line, " ")
	return strings.ToUpper(verb)
}

// maxLog is how many commands are kept at least; a server that runs for long
// drops older ones.
const maxLog = 1 << 19

// note logs a command.
func (s *Server) note(c Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) >= 2*maxLog {
		s.log = append(s.log[:0], s.log[maxLog:]...)
	}
	s.log = append(s.log, c)
}

// Log returns all commands seen, in order.
func (s *Server) Log() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Command(nil), s.log...)
}

// Commands returns the lines that were sent in sessions logged in as user,
// without those of the login itself.
func (s *Server) Commands(user string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.log {
		if c.User == user {
			out = append(out, c.Line)
		}
	}
	return out
}

package imaptest

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
)

// Server is a running server with one account. Its methods may be called from
// several goroutines.
type Server struct {
	o       Options
	ln      net.Listener
	closed  chan struct{} // closed by Close
	running sync.WaitGroup
	faults  sync.Mutex // so that Fault is called once at a time

	mu          sync.Mutex
	open        map[net.Conn]struct{}
	connections int
	appends     int
	folders     map[string]*folder
	bodies      map[string][]byte // by Message-ID, where they are merged
	said        []string          // what clients sent, without literals
}

// New returns a server that does not listen: connections are given to Serve.
func New(o Options) *Server {
	o.Greeting = cmp.Or(o.Greeting, "OK ready")
	o.Delimiter = cmp.Or(o.Delimiter, "/")
	o.TooBig = cmp.Or(o.TooBig, "NO [TOOBIG] too big")
	s := &Server{o: o, closed: make(chan struct{}), open: make(map[net.Conn]struct{}), folders: make(map[string]*folder), bodies: make(map[string][]byte)}
	s.folders["INBOX"] = &folder{validity: 6, next: 100}
	for name, attributes := range o.Folders {
		s.folders[name] = &folder{attributes: attributes, validity: 7, next: 200}
	}
	return s
}

// Start listens and serves. Its errors are those of net.Listen.
func Start(o Options) (*Server, error) {
	s := New(o)
	ln, err := net.Listen("tcp", cmp.Or(o.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.ln = ln
	s.running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			s.Serve(c)
		}
	})
	return s, nil
}

// Serve serves one connection, and does not wait for its end.
func (s *Server) Serve(c net.Conn) {
	s.mu.Lock()
	s.connections++
	number := s.connections
	s.open[c] = struct{}{}
	s.mu.Unlock()
	s.running.Go(func() {
		defer func() {
			_ = c.Close()
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
		}()
		over := c
		if s.o.TLS != nil && s.o.Implicit {
			over = tls.Server(c, s.o.TLS)
		}
		newConn(s, over, number).serve()
	})
}

// Pipe returns a connection to the server, in memory.
func (s *Server) Pipe(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	s.Serve(server)
	return client, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Dial connects to the server, without TLS.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, s.Addr().Network(), s.Addr().String())
}

// Connections is how many there were so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// Said is what the clients have sent, line by line, without what literals held.
func (s *Server) Said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.said)
}

// Close closes the listener and all connections and waits for them. It must be
// called once.
func (s *Server) Close() error {
	close(s.closed)
	var err error
	if s.ln != nil {
		err = s.ln.Close()
	}
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	s.running.Wait()
	return err
}

// ask returns the fault at an event.
func (s *Server) ask(e Event) Fault {
	if s.o.Fault == nil {
		return Fault{}
	}
	s.faults.Lock()
	defer s.faults.Unlock()
	s.mu.Lock()
	e.Appends = s.appends
	s.mu.Unlock()
	return s.o.Fault(e)
}

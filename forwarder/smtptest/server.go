package smtptest

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/popferry/popferry/forwarder"
)

// Server is a running server. Its methods may be called from several
// goroutines.
type Server struct {
	o      Options
	smtp   *gosmtp.Server
	ln     net.Listener
	served chan struct{} // closed when ln is not served any more
	closed chan struct{} // closed by Close

	mu          sync.Mutex
	open        map[*conn]struct{}
	connections int
	mails       int
	messages    []Message
	changed     chan struct{} // closed and replaced with each message, and at the end of each connection
}

// Start listens and serves. Its errors are those of net.Listen.
func Start(o Options) (*Server, error) {
	network, address := cmp.Or(o.Network, "tcp"), cmp.Or(o.Address, "127.0.0.1:0")
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if o.TLS != nil && o.Implicit {
		ln = tls.NewListener(ln, o.TLS)
	}
	if o.Mechanisms == nil {
		o.Mechanisms = []string{sasl.Plain, sasl.Login}
	}
	s := &Server{
		o: o, ln: ln,
		served: make(chan struct{}), closed: make(chan struct{}),
		open: make(map[*conn]struct{}), changed: make(chan struct{}),
	}
	s.smtp = gosmtp.NewServer(gosmtp.BackendFunc(s.newSession))
	s.smtp.Domain = "smtptest.example"
	s.smtp.LMTP = o.LMTP
	s.smtp.MaxMessageBytes = o.MaxSize
	s.smtp.MaxLineLength = 0 // no limit: mail has long lines
	s.smtp.AllowInsecureAuth = true
	s.smtp.EnableSMTPUTF8 = o.UTF8
	s.smtp.ErrorLog = log.New(io.Discard, "", 0)
	if !o.Implicit {
		s.smtp.TLSConfig = o.TLS
	}
	go func() {
		defer close(s.served)
		_ = s.smtp.Serve(listener{ln, s}) // ends when ln is closed
	}()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Dial connects to the server, without TLS.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, s.Addr().Network(), s.Addr().String())
}

// Messages returns the messages accepted so far, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Wait waits until n messages were accepted. Its error is that of ctx.
func (s *Server) Wait(ctx context.Context, n int) error {
	return s.wait(ctx, func() bool { return len(s.messages) >= n })
}

// WaitIdle waits until no connection is open: all that was accepted is among Messages
// then. Its error is that of ctx.
func (s *Server) WaitIdle(ctx context.Context) error {
	return s.wait(ctx, func() bool { return len(s.open) == 0 })
}

// wait waits until that is so; it is asked while the server is locked.
func (s *Server) wait(ctx context.Context, is func() bool) error {
	for {
		s.mu.Lock()
		done, changed := is(), s.changed
		have, open := len(s.messages), len(s.open)
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d messages, %d connections: %w", have, open, ctx.Err())
		}
	}
}

// hasChanged wakes those who wait. The server is locked.
func (s *Server) hasChanged() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Connections is how many there were so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// Close closes the listener and all connections, ends all stalls and waits for
// them. It must be called once.
func (s *Server) Close() error {
	close(s.closed)
	err := s.ln.Close()
	<-s.served
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	// This waits for the connections' goroutines. Its error is about the listener,
	// which is closed already.
	_ = s.smtp.Shutdown(context.Background())
	return err
}

// ask returns the fault at an event of a connection.
func (s *Server) ask(c *conn, stage forwarder.Stage, address string, data []byte) Fault {
	if s.o.Fault == nil {
		return Fault{}
	}
	s.mu.Lock()
	e := Event{Stage: stage, Connection: c.number, Message: c.mail, Size: c.size, Address: address, Data: data}
	s.mu.Unlock()
	return s.o.Fault(e)
}

// misbehave does what the fault says. The error is the reply, or net.ErrClosed if
// there is none.
func (s *Server) misbehave(c *conn, f Fault) error {
	if f.Stall {
		<-s.closed
	}
	if f.Stall || f.Close {
		_ = c.Close()
		return net.ErrClosed
	}
	if f.Code != 0 {
		return refusal(f.Code, f.Enhanced, f.Text)
	}
	return nil
}

// refusal is a reply as an error for go-smtp.
func refusal(code int, e forwarder.EnhancedCode, text string) error {
	r := &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode(e), Message: text}
	if e == (forwarder.EnhancedCode{}) {
		r.EnhancedCode = gosmtp.NoEnhancedCode
	}
	return r
}

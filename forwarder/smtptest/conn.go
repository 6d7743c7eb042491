package smtptest

import (
	"bytes"
	"net"
	"slices"
	"strings"
)

// listener wraps the connections that it accepts.
type listener struct {
	net.Listener
	s *Server
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := nc.(*net.TCPConn); ok && l.s.o.Nagle {
		if err := tcp.SetNoDelay(false); err != nil {
			return nil, err
		}
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.connections++
	c := &conn{Conn: nc, s: l.s, number: l.s.connections}
	l.s.open[c] = struct{}{}
	return c, nil
}

// conn is a connection that can hide extensions and end at any point. Behind
// STARTTLS it carries TLS records, which it does not change.
type conn struct {
	net.Conn
	s      *Server
	number int // counts from 1

	// Under the server's lock:
	mail     int   // the number of its last MAIL among all
	size     int64 // what that declared, in octets; 0: nothing
	messages int   // accepted so far
	ended    bool
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.s.mu.Lock()
	delete(c.s.open, c)
	c.ended = true
	c.s.hasChanged()
	c.s.mu.Unlock()
	return c.Conn.Close()
}

// over reports whether the connection was closed: what is still in its buffer
// does not count then.
func (c *conn) over() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.ended
}

// Write writes replies, which come one line at a time. A line that announces a
// hidden extension is replaced, and 421 is the last one.
func (c *conn) Write(p []byte) (int, error) {
	line := p
	if keyword, ok := announced(p); ok && slices.Contains(c.s.o.Hide, keyword) {
		line = []byte(string(p[:len("250-")]) + "XHIDDEN\r\n")
	}
	if _, err := c.Conn.Write(line); err != nil {
		return 0, err
	}
	if bytes.HasPrefix(p, []byte("421 ")) {
		_ = c.Close()
	}
	return len(p), nil
}

// announced returns the keyword of a line that may announce an extension
// (RFC 5321 4.1.1.1).
func announced(p []byte) (string, bool) {
	rest, ok := strings.CutPrefix(string(p), "250")
	if !ok || rest == "" {
		return "", false
	}
	fields := strings.Fields(rest[1:])
	if len(fields) == 0 {
		return "", false
	}
	return fields[0], true
}

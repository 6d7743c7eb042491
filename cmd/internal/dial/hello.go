package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// longHelloWait is how long a server may take for its part of a handshake
	// that began with a long ClientHello. Firewalls that lose its second segment
	// leave the connection silent.
	longHelloWait = 10 * time.Second
	// shortHelloFor is how long a server then gets the short one. A cut for
	// another reason looks the same, so it is not for long.
	shortHelloFor = time.Hour
)

// client does the TLS handshakes with one server. It is shared by the Dialers
// with the same settings.
//
// A ClientHello with a post-quantum key share (X25519MLKEM768) has about 1,500
// octets, more than one TCP segment and more than some servers and firewalls can
// take. They hang up, answer with an alert, or stay silent. After any of these
// the server gets a short ClientHello for a while. Everything else stays the
// same: versions, cipher suites, and the verification of the certificate.
type client struct {
	long, short *tls.Config
	now         func() time.Time

	mu         sync.Mutex
	shortUntil time.Time
}

func newClient(config *tls.Config) *client {
	short := config.Clone()
	short.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	short.ClientSessionCache = nil // a session ticket can have any length
	return &client{long: config, short: short, now: time.Now}
}

// handshake does one over raw, which it closes if ctx ends meanwhile. again
// reports whether another try on a new connection is worth it: with a short
// ClientHello, or without the session whose certificate was not accepted.
func (c *client) handshake(ctx context.Context, raw net.Conn) (conn *tls.Conn, again bool, err error) {
	if c.isShort() {
		conn, err = shake(ctx, raw, c.short)
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) && byServer(err) {
			c.setShort(time.Time{}) // it does not help
			if alert(err) == "" {
				err = &shortHelloError{err}
			}
		}
		return conn, false, err
	}
	wait := longHelloWait
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)/2)
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err = shake(limited, raw, c.long)
	var refused *CertificateError
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &refused): // of a resumed session, which has ended with that: the server may have another one by now
		again = conn.ConnectionState().DidResume
	case byServer(err):
		c.setShort(c.now().Add(shortHelloFor))
		again = true
	}
	return conn, again, err
}

// shake does a handshake. A server that cannot choose a cipher suite answers the
// ClientHello with handshake_failure (RFC 5246 section 7.4.1.3); later in a
// handshake that alert means something else.
func shake(ctx context.Context, raw net.Conn, config *tls.Config) (*tls.Conn, error) {
	conn := tls.Client(raw, config)
	err := conn.HandshakeContext(ctx)
	if alert(err) == "tls: handshake failure" && conn.ConnectionState().Version == 0 {
		err = fmt.Errorf("%w: %w", ErrNoCipher, err)
	}
	return conn, err
}

func (c *client) isShort() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.shortUntil.Sub(c.now())
	return left > 0 && left <= shortHelloFor // more: the clock was set back
}

func (c *client) setShort(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shortUntil = until
}

// byServer reports whether it was the server that ended a handshake, by hanging
// up, silence, or an alert that may be about the length of the ClientHello.
func byServer(err error) bool {
	var network *net.OpError
	switch {
	case alert(err) != "":
		return alert(err) != "tls: protocol version not supported"
	case errors.As(err, &network):
		return network.Op != "local error" // of crypto/tls, about what the server sent
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// alert is the text of the server's alert that err is about, "" if it is about
// something else. crypto/tls does not export the type.
func alert(err error) string {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		return remote.Err.Error()
	}
	return ""
}

// shortHelloError is a handshake that the server ended although its ClientHello
// was short.
type shortHelloError struct{ error }

// Error adds that it is not the length of the ClientHello.
func (e *shortHelloError) Error() string {
	return e.error.Error() + ", also without a post-quantum key share"
}

// Unwrap returns the cause.
func (e *shortHelloError) Unwrap() error { return e.error }

package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/login"
)

// Limits that protect the client. No honest server comes near them.
const (
	// maxLine is the longest line outside a body, in octets. RFC 2449 section 4
	// allows replies of 512; greetings of 4 kB have been seen.
	maxLine = 64 << 10
	// maxText is how much of a reply, or of a line of a listing, is parsed.
	maxText = 8 << 10
)

// Options are the limits of a session. The zero value is useful.
type Options struct {
	// Timeout is the limit of each read and write; 60 s if zero.
	Timeout time.Duration
	// CommandTimeout is the limit of a whole reply that is neither a body nor
	// a listing; twice Timeout if zero.
	CommandTimeout time.Duration
	// SessionTimeout is the limit of the session; 6 h if zero.
	SessionTimeout time.Duration
	// MinRate is the least rate, in octets per second, at which a body or a
	// listing must arrive; 100 if zero, no minimum if negative. It is measured
	// over each Timeout spent waiting for the server, so a slow reader of the
	// body does not count against the server.
	MinRate int
	// MaxListing is how many lines UIDL and LIST may have, those that are no
	// entries included; 1 million if zero. It bounds their octets, too.
	MaxListing int
	// Trace, if set, receives each line of the dialogue without its line end,
	// except the octets of messages and most of a listing. sent is true for
	// the client's lines. Secrets are replaced by ***. It must not block.
	Trace func(sent bool, line string)
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	if o.CommandTimeout <= 0 {
		o.CommandTimeout = 2 * o.Timeout
	}
	if o.SessionTimeout <= 0 {
		o.SessionTimeout = 6 * time.Hour
	}
	if o.MinRate == 0 {
		o.MinRate = 100
	}
	if o.MaxListing <= 0 {
		o.MaxListing = 1_000_000
	}
	return o
}

// errClosed is the error of a session after Quit or Close.
var errClosed = errors.New("POP3 session is closed")

// Client is one POP3 session, made by Open. See the package's documentation for
// errors and concurrency.
type Client struct {
	o    Options
	conn net.Conn // in use: the raw connection, or TLS over it
	raw  net.Conn // closed to end any wait: closing a tls.Conn can block
	wire wire
	in   *bufio.Reader

	queue  []pending // commands whose replies have not been read, oldest first
	out    []byte    // reused by begin for the lines it writes
	sent   time.Time // when the last command was
	body   *Body     // the body that has not been read to its end, if any
	caps   Capabilities
	banner string     // the greeting's text, for APOP
	mask   login.Mask // of what was sent to log in

	mu  sync.Mutex
	err error // why the session is broken
}

// newClient starts a session on a connection and takes ownership of it. It does no
// I/O. For implicit TLS (RFC 8314 section 3.3) conn is a *tls.Conn.
func newClient(conn net.Conn, o Options) *Client {
	c := &Client{o: o.withDefaults(), raw: conn, sent: time.Now()}
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		c.raw = t.NetConn()
	}
	c.wire = wire{timeout: c.o.Timeout, minRate: c.o.MinRate, sessionEnd: time.Now().Add(c.o.SessionTimeout)}
	c.in = bufio.NewReaderSize(&c.wire, maxLine)
	c.use(conn)
	return c
}

// use makes conn the connection in use.
func (c *Client) use(conn net.Conn) {
	c.conn, c.wire.conn = conn, conn
	c.in.Reset(&c.wire)
}

// tlsState returns the TLS state of the session; ok reports whether TLS is in use.
func (c *Client) tlsState() (state tls.ConnectionState, ok bool) {
	if t, ok := c.conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		s := t.ConnectionState()
		return s, s.HandshakeComplete
	}
	return tls.ConnectionState{}, false
}

// Idle is how long no command was sent and nothing was received, even if replies
// are due. Servers log out clients that are silent for too long (RFC 1939
// section 3), but not while they are sending.
func (c *Client) Idle() time.Duration {
	return min(time.Since(c.sent), time.Since(c.wire.lastRead))
}

// Err returns why the session is over: the error that broke it, or that it was
// ended by Quit or Close. It is nil while the session can be used.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection at once and sends nothing, so the server deletes
// nothing (RFC 1939 section 6). It may be called at any time, from any
// goroutine, and more than once.
func (c *Client) Close() error {
	return c.abort(errClosed)
}

// abort breaks the session, unless it is broken already, and closes the
// connection.
func (c *Client) abort(why error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	c.err = why
	return c.raw.Close()
}

// fail breaks the session because of err and returns why it is broken: err, or
// what had closed the connection and so made a read or write fail.
func (c *Client) fail(err error) error {
	_ = c.abort(err) // an error of closing does not matter
	return c.Err()
}

// watch closes the connection when ctx ends, until stop is called.
func (c *Client) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.abort(contextError(ctx)) })
}

// greeting reads the server's first line (RFC 1939 section 3) and returns its
// text. With implicit TLS it does the handshake first, if that is still to be
// done. A refusal is an *Error and breaks the session: nothing is sent to a
// server that refuses at once.
func (c *Client) greeting(ctx context.Context) (string, error) {
	release, err := c.acquire(ctx, "greeting")
	if err != nil {
		return "", err
	}
	defer release()
	if t, ok := c.conn.(interface{ HandshakeContext(context.Context) error }); ok {
		if err := c.handshake(ctx, t); err != nil {
			return "", err
		}
	}
	c.queue = append(c.queue, pending{name: "greeting"}) // the one reply without a command
	r, err := c.finish()
	if err != nil {
		return "", c.fail(err)
	}
	c.banner = r.text
	return c.shown(r.text), nil
}

// handshake does the TLS handshake within the limits of a read.
func (c *Client) handshake(ctx context.Context, t interface{ HandshakeContext(context.Context) error }) error {
	end, limit := c.wire.deadline(time.Now())
	if err := c.raw.SetDeadline(end); err != nil {
		return c.fail(connError("TLS handshake", err))
	}
	if err := t.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return c.fail(contextError(ctx))
		}
		return c.fail(connError("TLS handshake", withLimit(err, limit)))
	}
	return nil
}

// startTLS upgrades the session to TLS (RFC 2595 section 4), with shake for the
// handshake. It must come before login. The capabilities are forgotten, because
// they came in clear. A refusal is an *Error and leaves the session in clear.
// Octets that came before the handshake may be an attacker's: they are a
// *ProtocolError. A failed handshake or certificate breaks the session.
func (c *Client) startTLS(ctx context.Context, shake func(context.Context, net.Conn) (net.Conn, error)) error {
	release, err := c.acquire(ctx, "STLS")
	if err != nil {
		return err
	}
	defer release()
	if _, err := c.exchange(pending{name: "STLS"}, "STLS"); err != nil {
		return err
	}
	if c.in.Buffered() > 0 {
		return c.fail(c.outOfSync("STLS"))
	}
	end, _ := c.wire.deadline(time.Now())
	if err := c.raw.SetDeadline(end); err != nil {
		return c.fail(connError("STLS", err))
	}
	conn, err := shake(ctx, c.raw)
	switch {
	case err == nil:
		c.use(conn)
	case ctx.Err() != nil:
		return c.fail(contextError(ctx))
	default:
		return c.fail(connError("TLS handshake", err))
	}
	// RFC 2595 section 4: discard what was learnt before. The greeting's
	// timestamp stays, because there is no second one; a forged one makes APOP
	// fail.
	c.caps = Capabilities{}
	return nil
}

package pop3

import (
	"context"
	"net"
	"time"
)

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
	return c.clean(r.text), nil
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

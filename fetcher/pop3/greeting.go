package pop3

import (
	"context"
	"time"
)

// Greeting reads the server's first line (RFC 1939 section 3) and returns its
// text. With implicit TLS the handshake comes first, if it is still to be
// done. A refusal is an *Error and breaks the session: nothing is sent to a
// server that says no at once.
func (c *Client) Greeting(ctx context.Context) (string, error) {
	leave, err := c.enter(ctx, "greeting")
	if err != nil {
		return "", err
	}
	defer leave()
	if t, ok := c.conn.(interface{ HandshakeContext(context.Context) error }); ok {
		if err := c.handshake(ctx, t, "greeting"); err != nil {
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

// handshake does TLS's handshake within the limits of a read.
func (c *Client) handshake(ctx context.Context, t interface{ HandshakeContext(context.Context) error }, name string) error {
	end, limit := c.wire.deadline(time.Now())
	if err := c.raw.SetDeadline(end); err != nil {
		return c.fail(connError(name, err))
	}
	if err := t.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return c.fail(contextError(ctx))
		}
		return c.fail(connError("TLS handshake", named(err, limit)))
	}
	return nil
}

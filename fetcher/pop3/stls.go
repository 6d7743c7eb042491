package pop3

import (
	"context"
	"crypto/tls"
)

// StartTLS turns the session into a TLS one (RFC 2595 section 4). It must come
// before Login, and cfg names the server (ServerName). What is known of the
// server's capabilities is forgotten, for it was said in clear: call Capa
// again. A refusal is an *Error and leaves the session in clear. Octets that
// came before the handshake may be an attacker's: a *ProtocolError. A failed
// handshake or certificate breaks the session.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	leave, err := c.enter(ctx, "STLS")
	if err != nil {
		return err
	}
	defer leave()
	if _, err := c.exchange(pending{name: "STLS"}, "STLS"); err != nil {
		return err
	}
	if c.in.Buffered() > 0 {
		return c.fail(c.outOfStep("STLS"))
	}
	t := tls.Client(c.raw, cfg)
	if err := c.handshake(ctx, t, "STLS"); err != nil {
		return err
	}
	c.use(t)
	// RFC 2595 section 4: discard what was learnt before. The greeting's
	// timestamp stays, there is no second one: a forged one makes APOP fail.
	c.caps = Capabilities{}
	return nil
}

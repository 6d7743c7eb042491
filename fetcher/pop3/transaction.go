package pop3

import (
	"context"
	"errors"
)

// Dele marks message n to be deleted at Quit (RFC 1939 section 5). A refusal
// is an *Error.
func (c *Client) Dele(ctx context.Context, n int) error {
	cmd := verbNumber("DELE", n)
	_, err := c.roundTrip(ctx, cmd, cmd)
	return err
}

// Rset takes back all marks of Dele (RFC 1939 section 5).
func (c *Client) Rset(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "RSET", "RSET")
	return err
}

// Noop does nothing (RFC 1939 section 5), so that the server does not take
// the session for idle and log it out. It may be called between any two
// commands.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "NOOP", "NOOP")
	return err
}

// Quit ends the session (RFC 1939 sections 4 and 6): now the server deletes
// what Dele marked. It reads the reply and closes the connection, whatever
// the reply is. An *Error means that some or all of it may not have been
// deleted; any other error, above all an io.ErrUnexpectedEOF in place of the
// reply, leaves the deletions in doubt. With an ErrBodyOpen or an ErrAhead, or
// if ctx has ended before, nothing was sent and the session is as it was.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "QUIT", "QUIT")
	if refused := (*Error)(nil); err == nil || errors.As(err, &refused) {
		_ = c.Close() // the reply was read: how the connection ends no longer matters
	}
	return err
}

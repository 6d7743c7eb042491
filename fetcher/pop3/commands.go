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

// Noop does nothing (RFC 1939 section 5) and keeps the server from ending an idle
// session. It may be called between any two commands.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "NOOP", "NOOP")
	return err
}

// Quit ends the session (RFC 1939 sections 4 and 6): the server now deletes what
// Dele marked. It reads the reply and closes the connection. An *Error means
// that some or all of the messages may not have been deleted. Any other error,
// such as an io.ErrUnexpectedEOF instead of the reply, leaves the deletions in
// doubt. If a Body is open, other replies are outstanding, or ctx had ended
// before, nothing is sent and the session is as it was.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "QUIT", "QUIT")
	if refused := (*Error)(nil); err == nil || errors.As(err, &refused) {
		_ = c.Close() // the reply was read: an error of closing does not matter
	}
	return err
}

// Confirm makes sure that the session is in sync: that nothing came behind the
// body that was read last. A message with a line "." that its server did not
// stuff ends early, its rest would be taken for replies, and any line of it may
// look like one. So Confirm asks for something that the message cannot contain,
// its own UID (UIDL n, RFC 1939 section 7), or its size if e has no UID
// (LIST n). Any other reply is a *ProtocolError; a refusal is an *Error, and
// nothing is confirmed then.
func (c *Client) Confirm(ctx context.Context, e Entry) error {
	cmd := e.confirmation()
	if cmd == "" {
		return errors.New("confirming a message: neither its UID nor its size is known")
	}
	r, err := c.roundTrip(ctx, cmd, cmd)
	if err != nil {
		return err
	}
	n, rest, ok := parseEntry([]byte(r.text))
	if ok && n == e.Number && (e.UID == "" && listedSize(rest) == e.Size || e.UID != "" && string(rest) == e.UID) {
		return nil
	}
	return c.fail(&ProtocolError{Command: cmd, Text: "out of sync, this does not answer it: " + c.quote([]byte(r.text))})
}

// confirmation is the line that Confirm sends, "" if e has neither.
func (e Entry) confirmation() string {
	switch {
	case e.UID != "":
		return verbNumber("UIDL", e.Number)
	case e.Size >= 0:
		return verbNumber("LIST", e.Number)
	}
	return ""
}

// utf8 turns UTF-8 mode on (RFC 6856 section 2.1): messages with UTF-8 in their
// headers are then neither downgraded nor refused with [UTF8]. It belongs after
// startTLS and before login, if the capability UTF8 is listed; with its argument
// USER, user names and passwords may be UTF-8 too. A refusal is an *Error and
// changes nothing.
func (c *Client) utf8(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "UTF8", "UTF8")
	return err
}

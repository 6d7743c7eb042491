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

// Stat asks how many messages there are (RFC 1939 section 5), and does nothing
// with the answer: like Noop, for a server that does not answer that.
func (c *Client) Stat(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "STAT", "STAT")
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
// (LIST n). If the reply to UIDL n does not prove it and nothing else is
// outstanding, LIST n is asked for too. Any other reply is a *ProtocolError; a
// refusal is an *Error, and nothing is confirmed then.
func (c *Client) Confirm(ctx context.Context, e Entry) error {
	cmd := e.confirmation()
	if cmd == "" {
		return errors.New("confirming a message: neither its UID nor its size is known")
	}
	r, err := c.roundTrip(ctx, cmd, cmd)
	var refused *Error
	switch {
	case err != nil && !errors.As(err, &refused):
		return err
	case err == nil && e.confirmedBy(r.text):
		return nil
	}
	if bySize := (Entry{Number: e.Number, Size: e.Size}); e.UID != "" && e.Size >= 0 && len(c.queue) == 0 {
		cmd := bySize.confirmation()
		again, err := c.roundTrip(ctx, cmd, cmd)
		switch {
		case c.Err() != nil:
			return c.Err()
		case err == nil && e.confirmedBy(again.text):
			refused = nil // the reply to UIDL comes only now: what came before was part of the message
		case err == nil && bySize.confirmedBy(again.text):
			return nil
		}
	}
	if refused != nil {
		return refused
	}
	return c.fail(&ProtocolError{Command: cmd, Text: "out of sync, this does not answer it: " + c.quote([]byte(r.text))})
}

// confirmedBy reports whether a text is that of the reply to e.confirmation.
// Twisted's server leaves out the number. The UID alone can be nothing else unless
// it is a number: that may be a count, or a size.
func (e Entry) confirmedBy(text string) bool {
	n, rest, ok := parseEntry([]byte(text))
	if e.UID == "" {
		return ok && n == e.Number && listedSize(rest) == e.Size
	}
	_, numeric := size([]byte(e.UID))
	return ok && n == e.Number && string(rest) == e.UID || text == e.UID && !numeric
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

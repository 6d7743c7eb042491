package pop3

import (
	"context"
	"errors"
)

// Confirm makes sure that the session is in step: that nothing came behind the
// body that was read last. A message with a line "." that its server did not
// stuff ends early, and its rest would be taken for replies; any line of it
// may look like one. So Confirm asks for something that the message cannot
// know, its own UID (UIDL n, RFC 1939 section 7), or where e has none its size
// (LIST n). Any other reply is a *ProtocolError; a refusal an *Error, and
// nothing is confirmed then.
func (c *Client) Confirm(ctx context.Context, e Entry) error {
	cmd := e.confirmation()
	if cmd == "" {
		return errors.New("confirming a message: neither UID nor size are known")
	}
	r, err := c.roundTrip(ctx, cmd, cmd)
	if err != nil {
		return err
	}
	n, rest, ok := parseEntry([]byte(r.text))
	if ok && n == e.Number && (e.UID == "" && listedSize(rest) == e.Size || e.UID != "" && string(rest) == e.UID) {
		return nil
	}
	return c.fail(&ProtocolError{Command: cmd, Text: "out of step, this does not answer it: " + c.quote([]byte(r.text))})
}

// confirmation is the command that Confirm sends, "" if there is none.
func (e Entry) confirmation() string {
	switch {
	case e.UID != "":
		return verbNumber("UIDL", e.Number)
	case e.Size >= 0:
		return verbNumber("LIST", e.Number)
	}
	return ""
}

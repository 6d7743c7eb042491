package pop3

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// MaxAhead is how many commands may be outstanding at once. Their lines, 8 kB
// at most, fit into the buffers of any connection. Otherwise client and server
// could wait for each other, each writing and not reading (RFC 2449 section
// 6.6).
const MaxAhead = 256

// errAhead: a call does not match the commands that were sent ahead, which is a
// mistake of the caller. Nothing was sent, the session is as it was.
var errAhead = errors.New("commands sent ahead")

// shape is what follows a command's +OK.
type shape int

const (
	shapeLine  shape = iota // nothing
	shapeLines              // lines and a final dot
	shapeBody               // a message and a final dot
)

// Command is a command that can be sent ahead. Each is made by the function
// named after the method that claims it, with the same arguments. The zero value
// is invalid.
type Command struct {
	line  string
	shape shape
}

// RetrCommand is claimed by Client.Retr.
func RetrCommand(n int) Command { return Command{verbNumber("RETR", n), shapeBody} }

// TopCommand is claimed by Client.Top.
func TopCommand(n, lines int) Command { return Command{top(n, lines), shapeBody} }

// DeleCommand is claimed by Client.Dele.
func DeleCommand(n int) Command { return Command{verbNumber("DELE", n), shapeLine} }

// ConfirmCommand is claimed by Client.Confirm. It is the zero value if e has
// neither UID nor size.
func ConfirmCommand(e Entry) Command { return Command{e.confirmation(), shapeLine} }

// UIDCommand is claimed by Client.UID.
func UIDCommand(n int) Command { return Command{verbNumber("UIDL", n), shapeLine} }

// UIDsCommand is claimed by Client.UIDs.
func UIDsCommand() Command { return uidlCommand() }

// capaCommand is claimed by Client.capa.
func capaCommand() Command { return Command{"CAPA", shapeLines} }

// uidlCommand is claimed by Client.Listing, together with a listCommand behind
// it. If UIDL is refused, listCommand stays for Client.List.
func uidlCommand() Command { return Command{"UIDL", shapeLines} }

// listCommand is claimed by Client.List, and by Client.Listing.
func listCommand() Command { return Command{"LIST", shapeLines} }

// QuitCommand is claimed by Client.Quit. It has to be the last.
func QuitCommand() Command { return Command{"QUIT", shapeLine} }

// verbNumber is the line of a command for message n.
func verbNumber(verb string, n int) string { return verb + " " + strconv.Itoa(n) }

// Ahead sends commands in one write and does not wait for the replies (RFC 2449
// section 6.6). It is for use after the login, and only if
// Capabilities.Pipelining reports that the server supports it. The replies come
// in the same order. The ordinary methods claim them: one that would send the
// oldest outstanding command reads its reply instead, with the usual results and
// errors; its time limits begin then. Any other call, except Ahead, Skip, Close
// and those that do no I/O, is an error and does nothing.
//
// It may be called while a Body is open, to ask for the next message before the
// end of this one, but only from the goroutine that reads it. Octets behind the
// end of a body are known to be unsolicited only if they came before Ahead sent
// something; Confirm makes sure.
//
// More than MaxAhead outstanding commands, anything behind a QuitCommand, or an
// invalid Command is an error, and nothing is sent. All other errors break the
// session, except a context that had ended before.
func (c *Client) Ahead(ctx context.Context, cmds ...Command) error {
	if err := c.usable(ctx, "sending ahead"); err != nil {
		return err
	}
	ps, lines := make([]pending, len(cmds)), make([]string, len(cmds))
	for i, cmd := range cmds {
		ps[i] = pending{name: cmd.line, ahead: true, shape: cmd.shape}
		lines[i] = cmd.line
	}
	switch err := c.mayFollow(lines); {
	case err != nil:
		return err
	case len(cmds) == 0:
		return nil
	case c.body == nil && c.unsolicited() > 0:
		return c.fail(c.outOfSync(lines[0]))
	}
	defer c.watch(ctx)()
	return c.begin(ps, lines...)
}

// mayFollow checks that the lines may be sent behind those in the queue.
func (c *Client) mayFollow(lines []string) error {
	if n := len(c.queue) + len(lines); n > MaxAhead {
		return fmt.Errorf("%w: %d would be outstanding, %d at most", errAhead, n, MaxAhead)
	}
	ended := len(c.queue) > 0 && c.queue[len(c.queue)-1].name == "QUIT"
	for _, line := range lines {
		switch {
		case line == "":
			return fmt.Errorf("%w: an invalid one", errAhead)
		case ended:
			return fmt.Errorf("%w: %s behind QUIT", errAhead, line)
		}
		ended = line == "QUIT"
	}
	return nil
}

// Outstanding is how many commands sent by Ahead are not claimed yet.
func (c *Client) Outstanding() int {
	return len(c.queue)
}

// Skip reads and discards the answer to the oldest outstanding command: a
// refusal, a listing or a message of at most so many octets. Its errors break
// the session, that for a longer message too, unless nothing is outstanding or a
// Body is open.
func (c *Client) Skip(ctx context.Context, most int64) error {
	if len(c.queue) == 0 {
		return fmt.Errorf("%w: none is outstanding", errAhead)
	}
	err := c.skip(ctx, c.queue[0], most)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return nil
	}
	return err
}

// skip claims p.
func (c *Client) skip(ctx context.Context, p pending, most int64) error {
	switch {
	case p.name == "QUIT":
		return c.Quit(ctx) // nothing can follow
	case p.shape == shapeLines:
		return c.list(ctx, p.name, func([]byte) {})
	case p.shape == shapeBody:
		b, err := c.fetch(ctx, p.name)
		if err == nil {
			err = b.discard(most)
		}
		return err
	}
	_, err := c.roundTrip(ctx, p.name, p.name)
	return err
}

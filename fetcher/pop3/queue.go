package pop3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// pending is a command whose reply has not been read.
type pending struct {
	name      string // as errors name it: the verb, for some the message's number; never a secret
	challenge bool   // a challenge ("+ ") may be the reply (RFC 5034 section 4)
	ahead     bool   // sent by Ahead and not claimed; its name is its line
	shape     shape  // what Skip has to read, for those sent by Ahead
	after     int64  // octets that had been read when it was sent: its reply comes later
}

// acquire begins a call. It fails if the session cannot be used, if a body is
// being read, if the next reply belongs to another command, or if unsolicited
// octets have come. Until release is called, the end of ctx ends the session.
func (c *Client) acquire(ctx context.Context, name string) (release func() bool, err error) {
	if err := c.usable(ctx, name); err != nil {
		return nil, err
	}
	switch {
	case c.body != nil:
		return nil, fmt.Errorf("%s: %w", name, errBodyOpen)
	case len(c.queue) > 0 && c.queue[0].name != name:
		return nil, fmt.Errorf("%s: %w: the reply to %s comes first", name, errAhead, c.queue[0].name)
	case c.unsolicited() > 0:
		return nil, c.fail(c.outOfSync(name))
	}
	return c.watch(ctx), nil
}

// usable fails if the session is broken or ctx has ended.
func (c *Client) usable(ctx context.Context, name string) error {
	if err := c.Err(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", name, context.Cause(ctx)) // nothing was sent: the session is as it was
	}
	return nil
}

// unsolicited is how many octets in the buffer answer no command: they came
// before the command was sent whose reply is next. While a body is open they are
// the body's.
func (c *Client) unsolicited() int {
	n := c.in.Buffered()
	if len(c.queue) == 0 {
		return n
	}
	return int(max(0, c.queue[0].after-(c.wire.total-int64(n))))
}

// roundTrip sends one command and reads its reply. The error of a refusal is
// an *Error.
func (c *Client) roundTrip(ctx context.Context, name, line string) (reply, error) {
	release, err := c.acquire(ctx, name)
	if err != nil {
		return reply{}, err
	}
	defer release()
	return c.exchange(pending{name: name}, line)
}

// exchange is roundTrip in a call that has acquired the session. What Ahead has
// sent is not sent again.
func (c *Client) exchange(p pending, line string) (reply, error) {
	if len(c.queue) > 0 && c.queue[0].ahead {
		c.queue[0].ahead = false // acquire has checked that it is this one
		return c.finish()
	}
	if err := c.begin([]pending{p}, line); err != nil {
		return reply{}, err
	}
	return c.finish()
}

// begin is the write side: it sends one line for each command, all in one write,
// and appends them to the queue of those whose replies are due.
func (c *Client) begin(ps []pending, lines ...string) error {
	c.out = c.out[:0]
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return fmt.Errorf("%s: %w", ps[i].name, errLine) // before anything is sent
		}
		c.out = append(append(c.out, line...), "\r\n"...)
	}
	c.sent = time.Now()
	end, limit := c.wire.deadline(c.sent)
	c.traceSent(ps, lines)
	if err := c.conn.SetWriteDeadline(end); err != nil {
		return c.fail(connError(ps[0].name, err))
	}
	for i := range ps {
		ps[i].after = c.wire.total
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return c.fail(connError(ps[0].name, withLimit(err, limit)))
	}
	c.queue = append(c.queue, ps...)
	return nil
}

// finish is the read side: it reads the reply to the oldest command in the queue,
// but not the lines of a multi-line reply.
func (c *Client) finish() (reply, error) {
	p := c.queue[0]
	if c.unsolicited() > 0 {
		return reply{}, c.fail(c.outOfSync(p.name))
	}
	c.queue = slices.Delete(c.queue, 0, 1) // short, and keeps its array
	c.wire.ignoreRate()
	defer c.wire.within(c.o.CommandTimeout)()
	line, err := c.readLine(p.name)
	if err != nil {
		return reply{}, err
	}
	r, ok := parseReply(line)
	c.traceReply(p, r, ok, line)
	switch {
	case !ok, r.status == statusChallenge && !p.challenge:
		return reply{}, c.fail(&ProtocolError{Command: p.name, Text: "not a reply: " + c.quote(line)})
	case r.status == statusErr:
		code, text := splitCode(r.text)
		return r, c.refusal(p.name, code, text)
	}
	return r, nil
}

package pop3

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// wire is the read side of the connection under its limits in time.
type wire struct {
	conn       net.Conn
	timeout    time.Duration // for each read and write
	sessionEnd time.Time
	replyEnd   time.Time // of the reply that is being read; zero: none
	floor      int       // octets a second, see Options.MinRate

	paced  bool          // the floor holds now
	octets int           // read since the last measurement
	waited time.Duration // spent in reads since then
	slow   error         // the rate fell below the floor
}

// Read reads once, with a deadline. That the server is too slow is said by the
// read after the one that showed it: it may have brought the end.
func (w *wire) Read(p []byte) (int, error) {
	if w.slow != nil {
		return 0, w.slow
	}
	start := time.Now()
	end, limit := w.deadline(start)
	if err := w.conn.SetReadDeadline(end); err != nil {
		return 0, err
	}
	n, err := w.conn.Read(p)
	if err != nil {
		return n, named(err, limit)
	}
	w.measure(n, time.Since(start))
	return n, nil
}

// The limits that a deadline may come from.
const (
	limitWait    = "nothing moved for too long"
	limitReply   = "the reply took too long"
	limitSession = "the session took too long"
)

// deadline is the end of a read or write that starts now, and the limit that
// it comes from.
func (w *wire) deadline(now time.Time) (end time.Time, limit string) {
	end, limit = now.Add(w.timeout), limitWait
	if !w.replyEnd.IsZero() && w.replyEnd.Before(end) {
		end, limit = w.replyEnd, limitReply
	}
	if w.sessionEnd.Before(end) {
		end, limit = w.sessionEnd, limitSession
	}
	return end, limit
}

// pace starts the floor under the rate of what is read from now on, instead
// of a limit for the whole.
func (w *wire) pace() {
	w.paced, w.octets, w.waited, w.slow, w.replyEnd = true, 0, 0, nil, time.Time{}
}

// unpace ends what pace began.
func (w *wire) unpace() {
	w.paced, w.slow = false, nil
}

// measure notes what a read brought, and whether the rate fell below the floor
// over the last stretch of waiting.
func (w *wire) measure(n int, d time.Duration) {
	if !w.paced || w.floor < 0 {
		return
	}
	w.octets += n
	w.waited += d
	if w.waited < w.timeout {
		return
	}
	if float64(w.octets) < float64(w.floor)*w.waited.Seconds() {
		w.slow = fmt.Errorf("%w: %d octets in %v", ErrTooSlow, w.octets, w.waited.Round(time.Millisecond))
	}
	w.octets, w.waited = 0, 0
}

// pending is a command whose reply has not been read.
type pending struct {
	name      string // as errors name it: the verb, for some the message's number; never a secret
	challenge bool   // a challenge ("+ ") may be the reply (RFC 5034 section 4)
}

// enter begins a call: it refuses if the session is broken, if ctx has ended,
// if a body is being read, or if octets have come that nobody asked for. The
// context ends the session from now on until leave is called.
func (c *Client) enter(ctx context.Context, name string) (leave func() bool, err error) {
	switch {
	case c.Err() != nil:
		return nil, c.Err()
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", name, context.Cause(ctx)) // nothing was sent: the session is as it was
	case c.body != nil:
		return nil, fmt.Errorf("%s: %w", name, ErrBodyOpen)
	case len(c.queue) == 0 && c.in.Buffered() > 0:
		return nil, c.fail(c.outOfStep(name))
	}
	return c.watch(ctx), nil
}

// roundTrip sends one command and reads its reply. The error of a refusal is
// an *Error.
func (c *Client) roundTrip(ctx context.Context, name, line string) (reply, error) {
	leave, err := c.enter(ctx, name)
	if err != nil {
		return reply{}, err
	}
	defer leave()
	return c.exchange(pending{name: name}, line)
}

// exchange is roundTrip within a call that has entered.
func (c *Client) exchange(p pending, line string) (reply, error) {
	if err := c.begin(p, line); err != nil {
		return reply{}, err
	}
	return c.finish()
}

// begin is the write side: it puts one line on the wire and appends it to the
// queue of those whose replies are due.
func (c *Client) begin(p pending, line string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return fmt.Errorf("%s: %w", p.name, ErrLine) // before anything is sent
	}
	end, limit := c.wire.deadline(time.Now())
	if err := c.conn.SetWriteDeadline(end); err != nil {
		return c.fail(connError(p.name, err))
	}
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		return c.fail(connError(p.name, named(err, limit)))
	}
	c.queue = append(c.queue, p)
	return nil
}

// finish is the read side: it reads the reply to the oldest command in the
// queue. A multi-line reply's lines are still to be read then.
func (c *Client) finish() (reply, error) {
	p := c.queue[0]
	c.queue = c.queue[1:]
	c.wire.unpace()
	c.wire.replyEnd = time.Now().Add(c.o.CommandTimeout)
	defer func() { c.wire.replyEnd = time.Time{} }()
	line, err := c.readLine(p.name)
	if err != nil {
		return reply{}, err
	}
	r, ok := parseReply(line)
	switch {
	case !ok, r.status == statusChallenge && !p.challenge:
		return reply{}, c.fail(&ProtocolError{Command: p.name, Text: "not a reply: " + c.quote(line)})
	case r.status == statusErr:
		code, text := splitCode(r.text)
		return r, &Error{Command: p.name, Code: code, Text: c.clean(text)}
	}
	return r, nil
}

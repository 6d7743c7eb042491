package wire

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxResponses is how many there may be to one command, each with time of its own,
// and maxStream how long they may take together. maxUnasked is how many there may be
// while no command is on its way: servers tell then what others do in the folder.
const (
	maxResponses = 1_000_000
	maxStream    = time.Hour
	maxUnasked   = 10_000
)

// Serve reads until the connection ends, for those who wait meanwhile. over is
// called when no further message may be sent, perhaps several times.
func (c *Conn) Serve(over func()) {
	for c.read() {
		if c.Over() {
			over()
		}
	}
	over()
}

// BeServed announces that Serve is about to run.
func (c *Conn) BeServed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served = true
}

// reads reports whether those who wait for an answer have to read.
func (c *Conn) reads() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.served
}

// read reads one response and passes it on. It reports whether there can be more;
// otherwise the connection has failed.
func (c *Conn) read() bool {
	r, err := c.next()
	if err == nil {
		err = c.dispatch(r)
	}
	if err != nil {
		c.Fail(err)
	}
	return err == nil
}

// next reads one response and traces it. Its error is as the lexer's, without the
// secrets that it may quote.
func (c *Conn) next() (*Response, error) {
	r, err := c.lex.next()
	if err == nil || errors.Is(err, ErrProtocol) {
		c.trace(false, c.lex.line())
	}
	if errors.Is(err, ErrProtocol) {
		if text := c.hidden.Text(err.Error()); text != err.Error() {
			err = quotedError(text)
		}
	}
	return r, err
}

// quotedError is an ErrProtocol of which only the text is left.
type quotedError string

func (q quotedError) Error() string { return string(q) }

// Unwrap implements errors.Is.
func (quotedError) Unwrap() error { return ErrProtocol }

// dispatch passes a response on. The error breaks the connection.
func (c *Conn) dispatch(r *Response) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Tag {
	case continuation:
		return c.onRequest(r)
	case untagged:
		return c.onUntagged(r)
	default:
		return c.onAnswer(r)
	}
}

// onRequest is for the server's request to go on.
func (c *Conn) onRequest(r *Response) error {
	i := c.oldest(func(cmd *Command) bool { return cmd.Asking })
	if i < 0 {
		return fmt.Errorf("%w: the server asks for more, and nothing was announced to it", ErrProtocol)
	}
	cmd := c.pending[i]
	cmd.Asking = false
	cmd.goOn <- r.Text
	c.armFor(cmd)
	return nil
}

// onUntagged is for what the server says besides.
func (c *Conn) onUntagged(r *Response) error {
	if r.Status == "BYE" {
		c.bye = r
		c.over.Store(true)
	}
	if c.greets {
		return c.onGreeting(r)
	}
	c.learn(r)
	if c.unasked++; len(c.pending) > 0 {
		c.unasked = 0
	} else if c.unasked > maxUnasked {
		return fmt.Errorf("%w: more than %d responses that nobody has asked for, which is the limit", ErrProtocol, maxUnasked)
	}
	i := c.oldest(func(cmd *Command) bool { return cmd.Data != nil })
	if i < 0 {
		return nil
	}
	cmd := c.pending[i]
	if cmd.Streams {
		switch cmd.responses++; {
		case cmd.responses > maxResponses:
			return fmt.Errorf("%w: more than %d responses to one command, which is the limit", ErrProtocol, maxResponses)
		case time.Since(cmd.begun) > maxStream:
			return fmt.Errorf("%w: the responses to one command took more than %v, which is the limit", ErrProtocol, maxStream)
		}
		c.armFor(cmd)
	}
	return cmd.Data(r)
}

// onGreeting is for the first response of all.
func (c *Conn) onGreeting(r *Response) error {
	switch r.Status {
	case "OK", "PREAUTH":
		c.greets = false
		c.learn(r)
		return nil
	case "BYE":
		return errGreeting
	}
	return fmt.Errorf("%w: %q is not a greeting of IMAP", ErrProtocol, r.describe(c.hidden.Text))
}

// onAnswer is for the answer to a command.
func (c *Conn) onAnswer(r *Response) error {
	i := c.oldest(func(cmd *Command) bool { return cmd.tag == r.Tag })
	switch {
	case i < 0:
		return fmt.Errorf("%w: an answer to %.100q, which was not sent", ErrProtocol, c.hidden.Text(r.Tag))
	case r.Status != "OK" && r.Status != "NO" && r.Status != "BAD":
		return fmt.Errorf("%w: %q is not an answer", ErrProtocol, r.describe(c.hidden.Text))
	case r.OK() && c.pending[i].Message && !c.pending[i].whole:
		return fmt.Errorf("%w: the server accepts a message that was not sent yet: %q", ErrProtocol, r.describe(c.hidden.Text))
	}
	cmd := c.pending[i]
	c.pending = slices.Delete(c.pending, i, i+1)
	c.learn(r)
	cmd.answer = r
	close(cmd.done)
	if i == 0 {
		c.arm()
	}
	return nil
}

// arm sets the time for the next response: that of the oldest command. The caller
// has the lock.
func (c *Conn) arm() {
	if len(c.pending) == 0 || c.pending[0].Message && !c.pending[0].whole && !c.pending[0].Asking {
		c.in.limit(0)
		return
	}
	c.in.limit(c.pending[0].Wait)
}

// armFor is arm if cmd is the oldest command: what happens to others does not give
// that one more time. The caller has the lock.
func (c *Conn) armFor(cmd *Command) {
	if len(c.pending) > 0 && c.pending[0] == cmd {
		c.arm()
	}
}

package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

// errAbandoned: a body was closed before its end.
var errAbandoned = errors.New("abandoned in the middle of the message")

// Retr asks for message n (RFC 1939 section 5). A refusal is an *Error. The
// context governs the Body until its end. No other command may be called
// before the Body has been read to its end or closed.
func (c *Client) Retr(ctx context.Context, n int) (*Body, error) {
	return c.fetch(ctx, verbNumber("RETR", n))
}

// Top asks for the header of message n and so many lines of its body (RFC 1939
// section 7); otherwise it is like Retr. Some servers send less, more, or a
// second reply line within, so the result is not fit to be forwarded. It has an end
// in time, like a listing.
func (c *Client) Top(ctx context.Context, n, lines int) (*Body, error) {
	b, err := c.fetch(ctx, top(n, lines))
	if err == nil {
		b.done = c.wire.within(c.o.listingTime())
	}
	return b, err
}

// top is the line of TOP.
func top(n, lines int) string {
	return verbNumber(verbNumber("TOP", n), lines)
}

// fetch sends a command that is answered by a message.
func (c *Client) fetch(ctx context.Context, cmd string) (*Body, error) {
	release, err := c.acquire(ctx, cmd)
	if err != nil {
		return nil, err
	}
	if _, err := c.exchange(pending{name: cmd}, cmd); err != nil {
		release()
		return nil, err
	}
	c.wire.enforceRate()
	c.body = &Body{c: c, name: cmd, release: release, atBOL: true}
	return c.body, nil
}

// Body is a message as it arrives: dot-stuffing is removed (RFC 1939 section 3),
// every other octet stays, including NUL, bare CR and LF, and lines of any
// length. Only CRLF . CRLF ends it, so a dot between bare LFs is part of the
// message.
type Body struct {
	c        *Client
	name     string
	release  func() bool
	done     func() // ends its limit in time, if it has one
	octets   int64
	atBOL    bool // the next octet begins a line
	cr       bool // the last octet was a CR
	dotAtEOL bool // the last octets were a dot and CRLF, but not a line of their own
	err      error
}

// Octets is how many octets of the message have been read.
func (b *Body) Octets() int64 {
	return b.octets
}

// Read reads the next octets of the message, io.EOF after its terminator. Any
// other error breaks the session and means that the message is incomplete. The
// end of the connection is an io.ErrUnexpectedEOF; octets behind the terminator
// are a *ProtocolError unless another command is in flight.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk, err := b.next(len(p))
	n := copy(p, chunk)
	b.consume(chunk[:n])
	return n, err
}

// WriteTo writes the rest of the message to w, without copying it. The errors
// are those of Read and of w. After an error of w the body can be read on, or
// closed.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		chunk, err := b.next(math.MaxInt)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(chunk)
		total += int64(n)
		b.consume(chunk[:n])
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// discard discards the rest of the message. If the message has more than most
// octets, it breaks the session.
func (b *Body) discard(most int64) error {
	for {
		chunk, err := b.next(math.MaxInt)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		b.consume(chunk)
		if b.octets > most {
			return b.end(b.c.fail(fmt.Errorf("%s: %w", b.name, errTooLong)))
		}
	}
}

// Close stops reading. Before the end of the message it breaks the session: the
// connection is closed and nothing more is sent. It returns nil.
func (b *Body) Close() error {
	if b.err == nil {
		_ = b.end(b.c.fail(fmt.Errorf("%s: %w", b.name, errAbandoned))) // every later call returns it
	}
	return nil
}

// next returns octets of the message from the buffer, at most limit, and none
// beyond the end of a line that is followed by a dot. It fills the buffer if it
// is empty. consume has to follow.
func (b *Body) next(limit int) ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	in := b.c.in
	if b.atBOL {
		if done, err := b.lineStart(); done || err != nil {
			return nil, err
		}
	}
	p, err := in.Peek(max(1, in.Buffered()))
	if err != nil {
		return nil, b.broken(err)
	}
	p = p[:min(len(p), limit)]
	if b.cr && p[0] == '\n' {
		return p[:1], nil // a CRLF in two pieces: now a line begins
	}
	return p[:beforeDot(p)], nil
}

// beforeDot is the offset of the first line in p that begins with a dot, len(p)
// if there is none. Line by line is faster than bytes.Index of all three octets,
// which stops at each CR.
func beforeDot(p []byte) int {
	for i := 0; ; {
		lf := bytes.IndexByte(p[i:], '\n')
		if lf < 0 {
			return len(p)
		}
		i += lf + 1
		if i < len(p) && p[i] == '.' && i > 1 && p[i-2] == '\r' {
			return i
		}
	}
}

// lineStart removes the dot of a stuffed line; done reports whether the line is
// the terminator.
func (b *Body) lineStart() (done bool, err error) {
	in := b.c.in
	p, err := in.Peek(1)
	if err != nil {
		return false, b.broken(err)
	}
	if p[0] == '.' {
		p, err = in.Peek(3)
		if err != nil {
			return false, b.broken(err)
		}
		if p[1] == '\r' && p[2] == '\n' {
			_, err = in.Discard(3)
			return true, b.whole(err)
		}
		if _, err = in.Discard(1); err != nil {
			return false, b.broken(err)
		}
	}
	b.atBOL = false
	return false, nil
}

// consume takes p, the beginning of what next returned, as read.
func (b *Body) consume(p []byte) {
	n := len(p)
	if n == 0 {
		return
	}
	b.atBOL = b.cr && n == 1 && p[0] == '\n' || bytes.HasSuffix(p, []byte("\r\n"))
	b.dotAtEOL = bytes.HasSuffix(p, []byte(".\r\n"))
	b.cr = p[n-1] == '\r'
	_, _ = b.c.in.Discard(n)
	b.octets += int64(n)
}

// whole ends the body after its terminator. Unsolicited octets behind it are the
// rest of a message with a dot that was not stuffed: what was read is only its
// beginning.
func (b *Body) whole(err error) error {
	c := b.c
	switch {
	case err != nil:
		err = c.fail(connError(b.name, err))
	case c.unsolicited() > 0:
		err = c.fail(c.outOfSync(b.name))
	default:
		err = io.EOF
	}
	return b.end(err)
}

// broken ends the body because it cannot be read on.
func (b *Body) broken(err error) error {
	err = connError(b.name, err)
	if b.dotAtEOL {
		err = fmt.Errorf("%w; the line with the final dot is missing; the last line ends with a dot", err)
	}
	return b.end(b.c.fail(err))
}

// end ends the body; every later read returns err.
func (b *Body) end(err error) error {
	b.err = err
	if b.c.o.Trace != nil {
		b.c.trace(false, fmt.Sprintf("(%d octets of a message: %v)", b.octets, err), 0)
	}
	b.release()
	if b.done != nil {
		b.done()
	}
	b.c.body = nil
	b.c.wire.ignoreRate()
	return err
}

package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

var (
	// ErrAnswered is for a message that the server has answered before its end.
	ErrAnswered = errors.New("the server answered before the end of the message")
	// errTooLong is for a message that goes on behind the size that was announced.
	errTooLong = errors.New("it is longer than announced")
	// errNUL is for a message that does not say that it has a NUL.
	errNUL = errors.New("it has a NUL, which was not announced")
)

// reasonTimeout is how long a server that cut a message short has to say why.
const reasonTimeout = time.Second

// Literal is a message that the server was told the size of.
type Literal struct {
	Size int64         // in octets
	NUL  bool          // it may have NULs (RFC 3516)
	Wait time.Duration // for the answer to it
}

// Send sends a message behind its command, up to the end of the command. sent
// reports whether its last octet may have been sent; that is not so as long as any
// other octet is missing. source is an error of body, or that it has not the size
// that was announced; the connection is broken then, as it is with an error of its
// own. After ErrAnswered it stands, but nothing may be written to it any more.
func (c *Conn) Send(cmd *Command, l Literal, body io.Reader) (sent bool, source, err error) {
	w := &literalWriter{c: c, cmd: cmd, left: l.Size, nul: l.NUL}
	_, source = io.Copy(w, body)
	switch {
	case w.err != nil:
		c.End()
		if !errors.Is(w.err, ErrAnswered) {
			cmd.awaitReason()
			c.Fail(w.err)
		}
		return false, nil, w.err
	case source == nil && w.left > 0:
		source = fmt.Errorf("%d octets are missing", w.left)
	}
	if source != nil {
		c.Fail(fmt.Errorf("the message could not be read to its end: %w", source))
		return false, source, nil
	}
	c.trace(true, fmt.Sprintf("(%d octets of a message)", l.Size))
	end := c.out.handed + int64(c.w.Buffered())
	c.last(cmd, l.Wait)
	_, _ = c.w.WriteString("\r\n") // there is room; a failure shows below
	err = c.Flush()
	return c.out.handed >= end, nil, err
}

// last notes that all of a message may have been sent from now on. It is called
// before its last octet is.
func (c *Conn) last(cmd *Command, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd.whole, cmd.Wait = true, wait
	c.armFor(cmd)
}

// awaitReason waits for the answer of a server that may have sent one before it
// closed the connection.
func (cmd *Command) awaitReason() {
	select {
	case <-cmd.done:
	case <-time.After(reasonTimeout):
	}
}

// literalWriter passes a message on to the connection, but keeps its last octet in
// the buffer.
type literalWriter struct {
	c    *Conn
	cmd  *Command
	left int64
	nul  bool
	err  error // of the connection
}

// Write implements io.Writer. Between two parts it looks whether the server has
// answered already.
func (l *literalWriter) Write(p []byte) (int, error) {
	switch {
	case int64(len(p)) > l.left:
		return 0, errTooLong
	case !l.nul && bytes.IndexByte(p, 0) >= 0:
		return 0, errNUL
	}
	for part := range slices.Chunk(p, writeSize) {
		if l.err = l.put(part); l.err != nil {
			return 0, l.err
		}
	}
	return len(p), nil
}

// put passes a part on.
func (l *literalWriter) put(p []byte) error {
	if l.cmd.Done() {
		return ErrAnswered
	}
	if l.left -= int64(len(p)); l.left == 0 {
		return l.finish(p[:len(p)-1], p[len(p)-1])
	}
	_, err := l.c.w.Write(p)
	return err
}

// finish puts the last octet into the buffer, with room for the line end: the write
// that follows hands both over together.
func (l *literalWriter) finish(body []byte, last byte) error {
	w := l.c.w
	if _, err := w.Write(body); err != nil {
		return err
	}
	if w.Available() < len("x\r\n") {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return w.WriteByte(last)
}

package smtp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// writeData writes the message behind a 354, and the final dot. The error is for
// a body that could not be read or does not have the size that was announced: it
// never gets its dot.
func (t *transaction) writeData() error {
	d := newDotWriter(t.s.w)
	_, err := io.Copy(d, t.m.Body())
	if err == nil && d.strays.End() == forwarder.FalseEnd {
		err = errFalseEnd
	}
	if err := t.readError(err, d.err, d.n); err != nil || d.err != nil {
		t.cut = d.err
		return err
	}
	t.sent, t.cut = d.end()
	t.finishedAt = time.Now()
	return nil
}

// writeChunk writes the message as one BDAT (RFC 3030 2). The error is for a
// body that could not be read or does not have the size that was announced: the
// server still waits for octets then.
func (t *transaction) writeChunk() error {
	t.slot.chunked = true
	_ = t.s.send(fmt.Sprintf("BDAT %d LAST", t.m.Size)) // a failure shows below
	w := &limitedWriter{w: t.s.w, left: t.m.Size}
	_, err := io.Copy(w, t.m.Body())
	if err := t.readError(err, w.err, t.m.Size-w.left); err != nil || w.err != nil {
		t.cut = w.err
		return err
	}
	t.cut = t.s.w.Flush()
	t.sent = t.cut == nil || t.s.w.Buffered() == 0
	t.finishedAt = time.Now()
	return nil
}

// readError is why the message could not be copied if that is our own fault:
// err, or n octets that are not the announced size. write is the connection's
// error, which is not.
func (t *transaction) readError(err, write error, n int64) error {
	switch {
	case write != nil:
		return nil //nolint:nilerr // it is not our own fault
	case err != nil:
		return fmt.Errorf("reading the message: %w", err)
	case n != t.m.Size:
		return fmt.Errorf("reading the message: %d octets where there should be %d", n, t.m.Size)
	}
	return nil
}

// sendEmptyBody ends a message that the server asks for though no recipient gets
// it (RFC 2920 3.1).
func (t *transaction) sendEmptyBody(ctx context.Context) {
	_ = t.s.send(".") // a failure shows in the next line
	if _, err := t.s.reply(t.s.o.DotTimeout); err != nil {
		t.lose(ctx, forwarder.StageDot, err)
	}
}

// errTooLong is for a message that goes on behind the size that was announced.
var errTooLong = errors.New("it is longer than announced")

// limitedWriter passes on no more than so many octets, because the server takes
// what follows a chunk for a command. It keeps the first error of w, so that it
// can be told from one of the message's source.
type limitedWriter struct {
	w    io.Writer
	left int64
	err  error
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, errTooLong
	}
	n, err := l.w.Write(p)
	l.left -= int64(n)
	if l.err == nil {
		l.err = err
	}
	return n, err
}

// dotWriter writes a message's body with dot-stuffing (RFC 5321 4.5.2) and
// leaves every other octet alone. Line ends are CRLF already. A dot behind a
// bare LF is stuffed too, because there are servers that end the message there. A
// dot that cannot be hidden so, behind a bare CR or NUL, is not written
// (forwarder.FalseEnd).
//
// Nothing but end ever writes the final dot.
type dotWriter struct {
	w      *bufio.Writer
	strays forwarder.StrayFinder
	n      int64   // octets of the message so far
	last   [2]byte // the last two of them
	err    error   // the first failure to write
}

// errFalseEnd is for a message that says nothing of its false end.
var errFalseEnd = errors.New("it has a dot between stray CRs or NULs, which must not be sent by DATA")

// newDotWriter starts a body on w.
func newDotWriter(w *bufio.Writer) *dotWriter {
	// The line end of the DATA command stands before the first octet.
	return &dotWriter{w: w, last: [2]byte{'\r', '\n'}}
}

// Write implements io.Writer. It keeps its error, so that it can be told from one
// of the message's source.
func (d *dotWriter) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if _, _ = d.strays.Write(p); d.strays.Found() == forwarder.FalseEnd {
		return 0, errFalseEnd
	}
	if d.last[1] == '\n' && p[0] == '.' {
		d.stuff()
	}
	rest := p
	for {
		i := bytes.Index(rest, []byte("\n."))
		if i < 0 {
			break
		}
		d.put(rest[:i+1])
		d.stuff()
		rest = rest[i+1:]
	}
	d.put(rest)
	if d.err != nil {
		return 0, d.err
	}
	d.n += int64(len(p))
	d.last[0] = d.last[1]
	if len(p) > 1 {
		d.last[0] = p[len(p)-2]
	}
	d.last[1] = p[len(p)-1]
	return len(p), nil
}

// put writes p, unless something failed before.
func (d *dotWriter) put(p []byte) {
	if d.err == nil {
		_, d.err = d.w.Write(p)
	}
}

// stuff writes the dot that hides the one behind it.
func (d *dotWriter) stuff() {
	if d.err == nil {
		d.err = d.w.WriteByte('.')
	}
}

// end writes the final dot, on a line of its own even if the body's last line
// has no end, and flushes. If it fails, sent reports whether the dot may have
// been sent nevertheless.
func (d *dotWriter) end() (sent bool, err error) {
	if d.last != [2]byte{'\r', '\n'} {
		d.put([]byte("\r\n"))
	}
	// Make room first: then the dot and its line end are the last octets of one
	// buffer, and as long as any of it is left they were not sent.
	if d.err == nil && d.w.Available() < len(".\r\n") {
		d.err = d.w.Flush()
	}
	if d.err != nil {
		return false, d.err
	}
	d.put([]byte(".\r\n"))
	d.err = d.w.Flush()
	return d.w.Buffered() == 0, d.err
}

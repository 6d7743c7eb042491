package smtp

import (
	"bufio"
	"bytes"
)

// dotWriter writes a message's body with dot-stuffing (RFC 5321 4.5.2) and
// leaves every other octet alone. Line ends are CRLF already; a dot behind a
// bare LF is stuffed too, for there are servers that end the message there.
//
// Nothing but end ever writes the final dot.
type dotWriter struct {
	w    *bufio.Writer
	n    int64   // octets of the message so far
	last [2]byte // the last two of them
	err  error   // the first failure to write
}

// newDotWriter starts a body on w.
func newDotWriter(w *bufio.Writer) *dotWriter {
	// The line end of the DATA command stands before the first octet.
	return &dotWriter{w: w, last: [2]byte{'\r', '\n'}}
}

// Write implements io.Writer. Its error is kept, so that it can be told from
// one of the body's source.
func (d *dotWriter) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if len(p) == 0 {
		return 0, nil
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
// has no end, and everything that is gathered. If it fails, sent tells whether
// the dot may have gone out all the same.
func (d *dotWriter) end() (sent bool, err error) {
	if d.last != [2]byte{'\r', '\n'} {
		d.put([]byte("\r\n"))
	}
	// Make room first: from here on the dot and its line end are the last
	// octets of one buffer, and as long as some of it is left they are not out.
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

package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp/ack"
)

const (
	// writeSize is what is gathered before it is written: two TLS records.
	writeSize = 32 << 10
	// chunkSize bounds what one deadline has to cover: with 5 min it leaves time
	// even on a line of 10 kbit/s.
	chunkSize = 256 << 10
	// maxReply and maxLines bound one reply in octets and in lines. RFC 5321
	// 4.5.3.1.5 has 512 octets for a line; the longest replies that were seen have a
	// few thousand in all. Its time is that of one wait.
	maxReply, maxLines = 64 << 10, 500
	// lastLook is the part of a read's time that is left for one more look, and how
	// long that lasts at least if the time is over: after a machine has slept or
	// stood still, a reply that came in time may lie there unread, and a message
	// whose reply is not read is sent again.
	lastLook = time.Second
)

// wire is a connection that carries commands and replies, each with a deadline.
// Commands are gathered until a reply is wanted, so that several can be sent
// together.
type wire struct {
	conn    net.Conn
	in      *timedReader
	r       *bufio.Reader // of in
	w       *bufio.Writer
	timeout time.Duration // for each write, and for replies without another one
	mask    *login.Mask   // of what was sent to log in; nil: nothing
}

// newWire uses conn from now on.
func newWire(conn net.Conn, timeout time.Duration) *wire {
	in := &timedReader{conn: conn, ack: ack.Now(rawConn(conn))}
	return &wire{
		conn:    conn,
		in:      in,
		r:       bufio.NewReader(in),
		w:       bufio.NewWriterSize(timedWriter{conn, timeout}, writeSize),
		timeout: timeout,
	}
}

// send gathers one command, given without its line end.
func (w *wire) send(line string) error {
	if _, err := w.w.WriteString(line); err != nil {
		return err
	}
	_, err := w.w.WriteString("\r\n")
	return err
}

// reply writes what is gathered and reads the next reply.
func (w *wire) reply(wait time.Duration) (reply, error) {
	if err := w.w.Flush(); err != nil {
		return reply{}, err
	}
	return w.read(wait)
}

// read reads the next reply, which has to be complete within wait: a server
// that sends octet by octet has no more time than one that is silent.
func (w *wire) read(wait time.Duration) (reply, error) {
	if err := w.in.limit(wait); err != nil {
		return reply{}, err
	}
	r, err := readReply(w.r, w.mask)
	return r, withoutSecrets(w.mask, err)
}

// command sends one command and reads its reply.
func (w *wire) command(line string) (reply, error) {
	if err := w.send(line); err != nil {
		return reply{}, err
	}
	return w.reply(w.timeout)
}

// timedReader never gives up without having looked: a read whose deadline has
// passed fails whatever has come.
type timedReader struct {
	conn   net.Conn
	ack    func()        // acknowledges what was read
	end    time.Time     // of the time for all reads
	look   time.Duration // see lastLook
	looked bool
}

// limit sets the time for all reads until the next call.
func (t *timedReader) limit(wait time.Duration) error {
	t.end, t.look, t.looked = time.Now().Add(wait), min(lastLook, wait/2), false
	return t.conn.SetReadDeadline(t.end.Add(-t.look))
}

// Read reads from the connection. A server may keep its next reply until the one
// before is acknowledged (package ack).
func (t *timedReader) Read(p []byte) (int, error) {
	t.ack()
	n, err := t.conn.Read(p)
	if n > 0 || t.looked || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	t.looked = true
	if err := t.conn.SetReadDeadline(latest(t.end, time.Now().Add(t.look))); err != nil {
		return 0, err
	}
	return t.conn.Read(p)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// timedWriter gives each chunk that it writes a deadline of its own.
type timedWriter struct {
	conn    net.Conn
	timeout time.Duration
}

// Write writes p to the connection. The count that it returns with an error is
// exact: the rest was not handed to the connection.
func (t timedWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if err := t.conn.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
			return done, err
		}
		n, err := t.conn.Write(p[done:min(len(p), done+chunkSize)])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// reply is one whole reply of the server (RFC 5321 4.2).
type reply struct {
	code     int
	enhanced forwarder.EnhancedCode
	said     string // its text, all lines in one: what it means is read here
	text     string // the same as people may see it
}

// positive reports whether the command was done: 2xx.
func (r reply) positive() bool { return r.code/100 == 2 }

// refusal reports whether the command was refused: 4xx or 5xx.
func (r reply) refusal() bool { return r.code/100 == 4 || r.code/100 == 5 }

// closing reports whether the server ends the session, which it may do at any
// point (RFC 5321 3.8).
func (r reply) closing() bool { return r.code == 421 }

// outcome is the reply as an outcome without its recipient.
func (r reply) outcome(k forwarder.Kind, s forwarder.Stage) forwarder.Outcome {
	return forwarder.Outcome{Kind: k, Stage: s, Code: r.code, Enhanced: r.enhanced, Text: r.said}.Shown(r.text)
}

// failure is a reply that ends the session.
func (r reply) failure(s forwarder.Stage) *Error {
	return &Error{Stage: s, Code: r.code, Enhanced: r.enhanced, Text: r.text, said: r.said}
}

// unexpected is the error for a reply that may not come at this point.
func (r reply) unexpected() error {
	return fmt.Errorf("%w: unexpected reply %d %q", ErrProtocol, r.code, r.text)
}

// budget is what is left of the octets and lines of a reply, or of all replies up to
// the login.
type budget struct{ octets, lines int }

// newBudget is that of one reply.
func newBudget() budget { return budget{octets: maxReply, lines: maxLines} }

// spend takes octets that were read from the budget. Its error is ErrProtocol.
func (b *budget) spend(p []byte) error {
	b.octets -= len(p)
	b.lines -= bytes.Count(p, []byte("\n"))
	switch {
	case b.octets < 0:
		return fmt.Errorf("%w: a reply of more than %d octets, which is the limit of SMTP replies", ErrProtocol, maxReply)
	case b.lines < 0:
		return fmt.Errorf("%w: a reply of more than %d lines, which is the limit of SMTP replies", ErrProtocol, maxLines)
	}
	return nil
}

// readReply reads one reply with all its lines. Its error is ErrProtocol for
// anything that is not a reply, and io.ErrUnexpectedEOF for one that is cut
// short: "250" without its line end is not an answer.
func readReply(br *bufio.Reader, mask *login.Mask) (reply, error) {
	var r reply
	var lines []string
	for left := newBudget(); ; {
		line, err := readLine(br, &left)
		if err != nil {
			return reply{}, err
		}
		code, text, more, err := parseLine(line)
		if err != nil {
			return reply{}, err
		}
		if len(lines) > 0 && code != r.code {
			return reply{}, fmt.Errorf("%w: a line of %d in a reply of %d", ErrProtocol, code, r.code)
		}
		r.code = code
		lines = append(lines, text)
		if !more {
			break
		}
	}
	var said string
	r.enhanced, said = splitEnhanced(r.code, lines)
	r.said, r.text = shown(nil, said), shown(mask, said)
	return r, nil
}

// readLine reads up to LF and takes the octets from left.
func readLine(br *bufio.Reader, left *budget) (string, error) {
	var line strings.Builder
	for {
		part, err := br.ReadSlice('\n')
		if broken := left.spend(part); broken != nil {
			return "", broken
		}
		line.Write(part)
		switch {
		case err == nil:
			return strings.TrimRight(line.String(), "\r\n"), nil
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// parseLine splits one line of a reply. The text may be missing together with
// its space: "250" alone is a reply (RFC 5321 4.2).
func parseLine(line string) (code int, text string, more bool, err error) {
	digits, text := line, ""
	if len(line) > 3 {
		digits, text = line[:3], line[4:]
		more = line[3] == '-'
	}
	code, err = strconv.Atoi(digits)
	if err != nil || code < 200 || code > 599 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, "", false, fmt.Errorf("%w: %.200q is not a reply", ErrProtocol, line)
	}
	return code, text, more, nil
}

// splitEnhanced takes the enhanced status code (RFC 2034 4) off the front of
// each line and joins the lines to one.
func splitEnhanced(code int, lines []string) (forwarder.EnhancedCode, string) {
	word, _, _ := strings.Cut(lines[0], " ")
	enhanced := parseEnhanced(code, word)
	if enhanced != (forwarder.EnhancedCode{}) {
		for i, l := range lines {
			if rest, ok := strings.CutPrefix(l, word); ok && (rest == "" || rest[0] == ' ') {
				lines[i] = rest
			}
		}
	}
	return enhanced, strings.Join(lines, " ")
}

// parseEnhanced reads class.subject.detail (RFC 3463 2). It returns zero for
// anything else, and where the class contradicts the code.
func parseEnhanced(code int, word string) forwarder.EnhancedCode {
	parts := strings.Split(word, ".")
	if len(parts) != 3 {
		return forwarder.EnhancedCode{}
	}
	var e forwarder.EnhancedCode
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 10)
		if err != nil {
			return forwarder.EnhancedCode{}
		}
		e[i] = int(n)
	}
	if e[0] != code/100 {
		return forwarder.EnhancedCode{}
	}
	return e
}

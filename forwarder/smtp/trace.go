package smtp

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
)

// tracedLine is how many octets of a line are reported.
const tracedLine = 500

// traced is a connection that reports its dialogue. Without Options.Trace there
// is none.
type traced struct {
	net.Conn
	report func(sent bool, line string)

	mu      sync.Mutex
	out, in []byte      // lines without their end so far
	mask    *login.Mask // nil: nothing is secret yet
	login   bool        // what is sent is secret
	data    dataEnd
	message int64 // its octets so far
	chunk   int64 // octets of a BDAT that are still to come
}

// NetConn returns the connection below.
func (t *traced) NetConn() net.Conn { return t.Conn }

// Write implements net.Conn. It reports before it writes, or the reply could be
// reported first.
func (t *traced) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.sent(p)
	t.mu.Unlock()
	return t.Conn.Write(p)
}

// Read implements net.Conn.
func (t *traced) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	t.in = append(t.in, p[:n]...)
	for line, ok := nextLine(&t.in); ok; line, ok = nextLine(&t.in) {
		t.received(line)
	}
	t.mu.Unlock()
	return n, err
}

// loggingIn notes that a login begins, or has ended.
func (t *traced) loggingIn(now bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.login = now
}

// sent reports commands line by line, and messages by their length.
func (t *traced) sent(p []byte) {
	for len(p) > 0 {
		n := len(p)
		switch {
		case t.chunk > 0:
			n = int(min(t.chunk, int64(n)))
			t.chunk -= int64(n)
			t.messageSent(n, t.chunk == 0)
		case t.data != notData:
			n = t.data.in(p)
			t.messageSent(n, t.data == notData)
		default:
			if end := bytes.IndexByte(p, '\n'); end >= 0 {
				n = end + 1
			}
			t.out = append(t.out, p[:n]...)
			if line, ok := nextLine(&t.out); ok {
				t.command(line)
			}
		}
		p = p[n:]
	}
}

// command reports a command, and notes whether a message follows it at once
// (RFC 3030 2).
func (t *traced) command(line string) {
	if _, err := fmt.Sscanf(line, "BDAT %d", &t.chunk); err != nil {
		t.chunk = 0
	}
	if t.login && line != "*" {
		line = maskedAuth(line)
	}
	t.report(true, cutLine(line))
}

// maskedAuth is a line of a login without its secret part (RFC 4954 4).
func maskedAuth(line string) string {
	words := strings.SplitN(line, " ", 3)
	switch {
	case words[0] != "AUTH" || len(words) < 2:
		return login.Hidden
	case len(words) == 2:
		return line
	}
	return "AUTH " + words[1] + " " + login.Hidden
}

// messageSent counts octets of a message, and reports the number at its end.
func (t *traced) messageSent(octets int, end bool) {
	t.message += int64(octets)
	if end {
		t.report(true, fmt.Sprintf("(%d octets of a message)", t.message))
		t.message = 0
	}
}

// received reports a line of a reply, and notes whether the server asks for a
// message (RFC 5321 4.1.1.4).
func (t *traced) received(line string) {
	switch {
	case t.login && strings.HasPrefix(line, "334"):
		line = "334 " + login.Hidden // the challenge may contain what the response is made of
	case strings.HasPrefix(line, "3") && t.data == notData:
		t.data = beginning
	}
	code := len(line) - len(textOf(line))
	t.report(false, line[:code]+cutLine(t.mask.Text(line[code:])))
}

// nextLine takes the first line off what has come, without its end.
func nextLine(b *[]byte) (string, bool) {
	line, rest, ok := bytes.Cut(*b, []byte("\n"))
	if !ok {
		return "", false
	}
	text := string(bytes.TrimSuffix(line, []byte("\r")))
	*b = append((*b)[:0], rest...)
	return text, true
}

// textOf is the text in a line of a reply, behind its codes: these are never taken
// apart, whatever the password is.
func textOf(line string) string {
	code, text, _, err := parseLine(line)
	if err != nil {
		return line
	}
	if word, rest, _ := strings.Cut(text, " "); parseEnhanced(code, word) != (forwarder.EnhancedCode{}) {
		return rest
	}
	return text
}

// cutLine is a line made printable, and cut if it is very long.
func cutLine(line string) string {
	line = printable.Text(line)
	if len(line) > tracedLine {
		return fmt.Sprintf("%s (%d octets)", printable.Cut(line, tracedLine), len(line))
	}
	return line
}

// dataEnd is how much of the end of a message, CRLF "." CRLF, was seen.
type dataEnd int

const (
	notData   dataEnd = iota // or all of it
	inLine                   // none
	afterCR                  // CR
	beginning                // CRLF, or the message begins
	afterDot                 // CRLF "."
	lastCR                   // CRLF "." CR
)

// in scans a part of a message and returns how much of p belongs to it.
func (d *dataEnd) in(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n' && *d == lastCR:
			*d = notData
			return i + 1
		case c == '\n' && *d == afterCR:
			*d = beginning
		case c == '\r' && *d == afterDot:
			*d = lastCR
		case c == '\r':
			*d = afterCR
		case c == '.' && *d == beginning:
			*d = afterDot
		default:
			*d = inLine
		}
	}
	return len(p)
}

package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/popferry/popferry/fetcher/printable"
)

// status is the first word of a reply.
type status int

const (
	statusOK        status = iota // +OK
	statusErr                     // -ERR
	statusChallenge               // + and base64 (RFC 5034 section 4)
)

// reply is the first line of a reply.
type reply struct {
	status status
	text   string // what follows the status, without spaces around it
}

// parseReply parses the line of a reply, and reports whether it is one. RFC 1939
// section 3 requires "+OK" and "-ERR" in upper case and a space before any text;
// some servers do neither.
func parseReply(line []byte) (reply, bool) {
	switch {
	case len(line) >= 3 && strings.EqualFold(string(line[:3]), "+OK"):
		return reply{statusOK, clip(line[3:])}, true
	case len(line) >= 4 && strings.EqualFold(string(line[:4]), "-ERR"):
		return reply{statusErr, clip(line[4:])}, true
	case len(line) >= 5 && strings.EqualFold(string(line[:5]), "+ERR "):
		return reply{statusErr, clip(line[5:])}, true // hMailServer, up to 2026
	case len(line) >= 1 && line[0] == '+':
		return reply{statusChallenge, clip(line[1:])}, true
	}
	return reply{}, false
}

// clip is as much of a reply's text as is parsed.
func clip(b []byte) string {
	return string(bytes.TrimSpace(b[:min(len(b), maxText)]))
}

// splitCode splits the response code from a text (RFC 2449 section 8): in upper
// case, "" if there is none.
func splitCode(text string) (code, rest string) {
	if !strings.HasPrefix(text, "[") {
		return "", text
	}
	code, rest, ok := strings.Cut(text[1:], "]")
	if !ok || code == "" || len(code) > 64 || strings.ContainsFunc(code, notCode) {
		return "", text
	}
	return upper(code), strings.TrimSpace(rest)
}

// notCode reports whether r cannot be part of a response code.
func notCode(r rune) bool {
	return r <= ' ' || r > '~' || r == '['
}

// readLine reads one line that is not part of a body, without its end, which
// may be CRLF or LF. It is valid until the next read.
func (c *Client) readLine(name string) ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, c.fail(&ProtocolError{Command: name, Text: fmt.Sprintf("a line longer than %d octets", maxLine)})
	case err != nil:
		return nil, c.fail(connError(name, err))
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// shown is a server's text as errors have it: clean, and no longer than anybody
// reads. It is cleaned before it is cut, so that no part of a secret is left at the
// cut.
func (c *Client) shown(text string) string { return printable.Cut(c.clean(text), printable.MaxReply) }

// clean makes a server's text safe to show: without the secrets of this session,
// because some servers echo the line that they refuse, and without what does not
// print. What is not UTF-8 is read as Latin-1.
func (c *Client) clean(text string) string {
	text = c.mask.Text(text)
	if !utf8.ValidString(text) {
		var b strings.Builder
		for i := range len(text) {
			b.WriteRune(rune(text[i]))
		}
		text = b.String()
	}
	return strings.TrimSpace(printable.Text(text))
}

// quote is the beginning of an unexpected line. It is cleaned before it is cut,
// so that no part of a secret is left at the cut.
func (c *Client) quote(line []byte) string {
	text := c.clean(string(line))
	if len(text) > 200 {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(text[:200], ""))
	}
	return fmt.Sprintf("%q", text)
}

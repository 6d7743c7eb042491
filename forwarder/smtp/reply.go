package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/popferry/popferry/forwarder"
)

// maxReply bounds the octets of one reply, however many lines it has. RFC 5321
// 4.5.3.1.5 has 512 for a line; the longest seen have a few thousand in all.
const maxReply = 64 << 10

// reply is one whole reply of the server (RFC 5321 4.2).
type reply struct {
	code     int
	enhanced forwarder.EnhancedCode
	text     string
}

// positive tells that the command was done: 2xx.
func (r reply) positive() bool { return r.code/100 == 2 }

// refusal tells that it was not: 4xx or 5xx.
func (r reply) refusal() bool { return r.code/100 == 4 || r.code/100 == 5 }

// closing tells that the server ends the session with it, at whatever point
// (RFC 5321 3.8).
func (r reply) closing() bool { return r.code == 421 }

// outcome is the reply as an outcome without its recipient.
func (r reply) outcome(k forwarder.Kind, s forwarder.Stage) forwarder.Outcome {
	return forwarder.Outcome{Kind: k, Stage: s, Code: r.code, Enhanced: r.enhanced, Text: r.text}
}

// unexpected is the error for a reply that has no place where it came.
func (r reply) unexpected() error {
	return fmt.Errorf("%w: reply %d %q has no place here", ErrProtocol, r.code, r.text)
}

// readReply reads one reply with all its lines. It fails with ErrProtocol for
// what is no reply, and with io.ErrUnexpectedEOF for one that is cut short: a
// "250" without its line end is no answer.
func readReply(br *bufio.Reader) (reply, error) {
	var r reply
	var lines []string
	for left := maxReply; ; {
		line, err := readLine(br, &left)
		if err != nil {
			return reply{}, err
		}
		code, text, more, err := parseLine(line)
		if err != nil {
			return reply{}, err
		}
		if len(lines) > 0 && code != r.code {
			return reply{}, fmt.Errorf("%w: %d in a reply of %d", ErrProtocol, code, r.code)
		}
		r.code = code
		lines = append(lines, text)
		if !more {
			break
		}
	}
	r.enhanced, r.text = splitEnhanced(r.code, lines)
	return r, nil
}

// readLine reads up to LF and takes the octets from left.
func readLine(br *bufio.Reader, left *int) (string, error) {
	var line strings.Builder
	for {
		part, err := br.ReadSlice('\n')
		if *left -= len(part); *left < 0 {
			return "", fmt.Errorf("%w: a reply of more than %d octets", ErrProtocol, maxReply)
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

// parseLine takes one line of a reply apart. The text may be missing with its
// space: "250" alone is a reply (RFC 5321 4.2).
func parseLine(line string) (code int, text string, more bool, err error) {
	digits, text := line, ""
	if len(line) > 3 {
		digits, text = line[:3], line[4:]
		more = line[3] == '-'
	}
	code, err = strconv.Atoi(digits)
	if err != nil || code < 200 || code > 599 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, "", false, fmt.Errorf("%w: %.200q is no reply", ErrProtocol, line)
	}
	return code, text, more, nil
}

// splitEnhanced takes the enhanced status code (RFC 2034 4) from the front of
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
	return enhanced, oneLine(strings.Join(lines, " "))
}

// parseEnhanced reads class.subject.detail (RFC 3463 2); zero for anything
// else, also where the class contradicts the code.
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

// oneLine makes a text fit for a log: no control characters, no runs of space.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

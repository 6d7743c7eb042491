package fetcher

import (
	"bytes"
	"errors"
	"io"
)

var errCharset = errors.New("a charset that is left undecoded")

// intake takes the octets of a message as the server sent them and writes
// them on as SMTP demands: without a Return-Path line that stands first
// (RFC 5321 4.4), and each bare LF as CRLF (RFC 5321 2.3.8). Every other octet
// stays. On the way it notes what has to be known of the message.
type intake struct {
	w    io.Writer
	raw  []byte // the beginning, up to headerLimit, as it came
	held []byte // the beginning while it may be a Return-Path line
	body bool   // the first line is decided
	last byte   // the last octet written
	high byte   // all octets or-ed
}

// returnPath is what a line to be taken off begins with, in any case.
const returnPath = "return-path:"

func (in *intake) Write(p []byte) (int, error) {
	if room := headerLimit - len(in.raw); room > 0 {
		in.raw = append(in.raw, p[:min(room, len(p))]...)
	}
	for _, c := range p {
		in.high |= c
	}
	if in.body {
		return len(p), in.lines(p)
	}
	in.held = append(in.held, p...)
	rest, decided := cutReturnPath(in.held)
	if !decided {
		return len(p), nil
	}
	in.body, in.held = true, nil
	return len(p), in.lines(rest)
}

// Close writes what is still held back.
func (in *intake) Close() error {
	if in.body {
		return nil
	}
	in.body = true
	return in.lines(in.held)
}

// header parses what was noted of the message's beginning.
func (in *intake) header() header {
	h := parseHeader(in.raw)
	h.Beginning = in.raw
	return h
}

// eightBit tells whether any octet was above 127.
func (in *intake) eightBit() bool { return in.high > 127 }

// cutReturnPath takes a Return-Path field off the beginning; false: more
// octets are needed to tell where it ends.
func cutReturnPath(b []byte) ([]byte, bool) {
	n := min(len(b), len(returnPath))
	switch {
	case !bytes.EqualFold(b[:n], []byte(returnPath[:n])):
		return b, true
	case len(b) > headerLimit: // not a line that anybody's delivery wrote
		return b, true
	case n < len(returnPath):
		return nil, false
	}
	_, rest := nextField(b)
	return rest, len(rest) > 0 // with nothing behind it, it may be continued
}

// lines writes p with every bare LF as CRLF.
func (in *intake) lines(p []byte) error {
	start := 0
	for i := 0; ; {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		if before := in.before(p, i); before != '\r' {
			if err := in.put(p[start:i]); err != nil {
				return err
			}
			if err := in.put([]byte{'\r'}); err != nil {
				return err
			}
			start = i
		}
		i++
	}
	return in.put(p[start:])
}

// before is the octet in front of p[i].
func (in *intake) before(p []byte, i int) byte {
	if i > 0 {
		return p[i-1]
	}
	return in.last
}

func (in *intake) put(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	in.last = p[len(p)-1]
	_, err := in.w.Write(p)
	return err
}

package fetcher

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

var errCharset = errors.New("a charset that is left undecoded")

// intake takes the octets of a message as the server sent them and writes
// them on as SMTP demands: without a Return-Path line that stands first
// (RFC 5321 4.4), and each bare LF as CRLF (RFC 5321 2.3.8). Every other octet
// stays. On the way it notes what has to be known of the message.
type intake struct {
	w    io.Writer
	raw  []byte // the beginning as it came: the header, or more where that tells nothing, up to headerLimit
	head header // of raw, once told is set
	told bool   // raw has all that is asked of it
	held []byte // the beginning while it may be a Return-Path line
	body bool   // the first line is decided
	last byte   // the last octet written
	high bool   // an octet was above 127
	crlf []byte // for lines whose ends are being changed, used again
}

// returnPath is what a line to be taken off begins with, in any case.
const returnPath = "return-path:"

func (in *intake) Write(p []byte) (int, error) {
	if !in.told && len(in.raw) < headerLimit {
		in.note(p)
	}
	in.high = in.high || highOctet(p)
	if in.body {
		return len(p), in.lines(p)
	}
	begun := p
	if len(in.held) > 0 {
		in.held = append(in.held, p...)
		begun = in.held
	}
	rest, decided := cutReturnPath(begun)
	if !decided {
		in.held = append(in.held[:0], begun...)
		return len(p), nil
	}
	in.body, in.held = true, nil
	return len(p), in.lines(rest)
}

// note keeps the beginning. If the header is there and tells the message from
// others, what is behind it is of no interest.
func (in *intake) note(p []byte) {
	p = p[:min(len(p), headerLimit-len(in.raw))]
	before := len(in.raw)
	if end := headerEnd(p); before == 0 && end > 0 {
		in.raw = append(in.raw, p[:end]...)
		p = p[end:]
	} else {
		in.raw = append(in.raw, p...)
		p = nil
	}
	if headerEnd(in.raw[max(0, before-2):]) > 0 {
		in.head = parseHeader(in.raw)
		in.told = in.head.tells()
	}
	if !in.told {
		in.raw = append(in.raw, p...)
	}
}

// headerEnd is the length of a header with the empty line at its end; 0 if no
// such line is there.
func headerEnd(p []byte) int {
	for end := 0; ; {
		n := bytes.IndexByte(p[end:], '\n')
		if n < 0 {
			return 0
		}
		end += n + 1
		switch rest := p[end:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return end + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return end + 2
		}
	}
}

// highOctet tells whether any octet is above 127, eight at a time.
func highOctet(p []byte) bool {
	const high = 0x8080808080808080
	for ; len(p) >= 8; p = p[8:] {
		if binary.NativeEndian.Uint64(p)&high != 0 {
			return true
		}
	}
	for _, c := range p {
		if c > 127 {
			return true
		}
	}
	return false
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
	h := in.head
	if !in.told {
		h = parseHeader(in.raw)
	}
	h.Beginning = in.raw
	return h
}

// eightBit tells whether any octet was above 127.
func (in *intake) eightBit() bool { return in.high }

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
	if len(p) == 0 {
		return nil
	}
	last := p[len(p)-1]
	if first := nakedLF(p, 0, in.last); first >= 0 {
		p = in.changed(p, first)
	}
	in.last = last
	_, err := in.w.Write(p)
	return err
}

// changed is p with every bare LF, the first of which is given, as CRLF. It is
// good until the next call.
func (in *intake) changed(p []byte, at int) []byte {
	const shortLines = 40 // room for lines of so many octets, or more has to be got
	out, start := slices.Grow(in.crlf[:0], len(p)+len(p)/shortLines), 0
	for ; at >= 0; at = nakedLF(p, at+1, in.last) {
		out = append(append(out, p[start:at]...), '\r', '\n')
		start = at + 1
	}
	in.crlf = append(out, p[start:]...)
	return in.crlf
}

// nakedLF is where the first LF at or behind i stands that has no CR in front of
// it; -1: there is none. before is the octet in front of p.
func nakedLF(p []byte, i int, before byte) int {
	for {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n
		if i > 0 {
			before = p[i-1]
		}
		if before != '\r' {
			return i
		}
		i++
	}
}

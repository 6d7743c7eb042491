package message

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"github.com/popferry/popferry/forwarder"
)

// Normalizer takes the octets of a message as the POP3 server sent them and
// writes them on as SMTP demands: without the lines that the last delivery put
// first (Return-Path and mbox lines, see leading), and with each bare LF as CRLF
// (RFC 5321 2.3.8). All other octets stay as they are, a bare CR too. On the way
// it reads the header.
type Normalizer struct {
	w          io.Writer
	raw        []byte // the beginning as it came: the header, or more where that does not identify the message, up to headerLimit
	head       Header // of raw, once headerDone is set
	headerDone bool   // raw is complete
	pending    []byte // the beginning while it may have to be removed
	leading    leading
	begun      bool                  // what comes first is decided
	last       byte                  // the last octet written
	has8bit    bool                  // an octet was above 127
	strays     forwarder.StrayFinder // of what was written
	crlf       []byte                // buffer for lines whose ends are being changed
}

// NewNormalizer returns a Normalizer that writes to w. It has to be closed.
func NewNormalizer(w io.Writer) *Normalizer { return &Normalizer{w: w} }

func (n *Normalizer) Write(p []byte) (int, error) {
	if !n.headerDone && len(n.raw) < headerLimit {
		n.note(p)
	}
	n.has8bit = n.has8bit || highOctet(p)
	if n.begun {
		return len(p), n.lines(p)
	}
	beginning := p
	if len(n.pending) > 0 {
		n.pending = append(n.pending, p...)
		beginning = n.pending
	}
	rest, decided := n.leading.cut(beginning)
	if !decided {
		n.pending = append(n.pending[:0], rest...)
		return len(p), nil
	}
	n.begun, n.pending = true, nil
	return len(p), n.lines(rest)
}

// note keeps the beginning: no more than the header if that identifies the
// message.
func (n *Normalizer) note(p []byte) {
	p = p[:min(len(p), headerLimit-len(n.raw))]
	before := len(n.raw)
	if end := headerEnd(p); before == 0 && end > 0 {
		n.raw = append(n.raw, p[:end]...)
		p = p[end:]
	} else {
		n.raw = append(n.raw, p...)
		p = nil
	}
	if headerEnd(n.raw[max(0, before-2):]) > 0 {
		n.head = ParseHeader(n.raw)
		n.headerDone = n.head.Identifiable()
	}
	if !n.headerDone {
		n.raw = append(n.raw, p...)
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

// highOctet reports whether any octet is above 127. It reads eight at a time.
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

// Close writes what is still held back. It does not close the writer below.
func (n *Normalizer) Close() error {
	if n.begun {
		return nil
	}
	n.begun = true
	return n.lines(n.leading.end(n.pending))
}

// Header is the message's header as far as it has passed.
func (n *Normalizer) Header() Header {
	h := n.head
	if !n.headerDone {
		h = ParseHeader(n.raw)
	}
	h.Beginning = n.raw
	return h
}

// Strays says what was written outside of lines. It is for the whole message.
func (n *Normalizer) Strays() forwarder.Strays { return n.strays.End() }

// EightBit reports whether any octet was above 127.
func (n *Normalizer) EightBit() bool { return n.has8bit }

// lines writes p with every bare LF as CRLF.
func (n *Normalizer) lines(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	last := p[len(p)-1]
	if first := bareLF(p, 0, n.last); first >= 0 {
		p = n.changed(p, first)
	}
	n.last = last
	_, _ = n.strays.Write(p) // never fails
	_, err := n.w.Write(p)
	return err
}

// changed is p with every bare LF as CRLF; the first one is at. The result is
// valid until the next call.
func (n *Normalizer) changed(p []byte, at int) []byte {
	const shortLines = 40 // room for lines of so many octets; shorter ones grow the buffer
	out, start := slices.Grow(n.crlf[:0], len(p)+len(p)/shortLines), 0
	for ; at >= 0; at = bareLF(p, at+1, n.last) {
		out = append(append(out, p[start:at]...), '\r', '\n')
		start = at + 1
	}
	n.crlf = append(out, p[start:]...)
	return n.crlf
}

// bareLF is the index of the first LF, from i on, without a CR in front of it, or
// -1. before is the octet in front of p.
func bareLF(p []byte, i int, before byte) int {
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

package fetcher

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/popferry/popferry/fetcher/ledger"
)

// headerLimit is how much of a message is looked at for its header. What lies
// beyond is only passed on.
const headerLimit = 64 << 10

// header is what popferry looks at in a message; nothing of it decides whether
// a message is forwarded.
type header struct {
	ReturnPath string // of a Return-Path line that stands first; "" for "<>"
	HasReturn  bool
	MessageID  string
	Date       string
	From       string
	Subject    string
	Received   string // the topmost one
	Hops       int    // number of Received lines
	Marks      []string
	EightBit   bool // octets above 127
	// Beginning is all that was read, for messages whose header tells nothing.
	Beginning []byte
}

// parseHeader reads as much of a header as it can make sense of. It takes any
// octets: LF or CRLF, junk lines, no end.
func parseHeader(raw []byte) header {
	var h header
	first := true
	for len(raw) > 0 {
		field, rest := nextField(raw)
		if len(bytes.TrimRight(field, "\r\n")) == 0 {
			break
		}
		raw = rest
		for _, c := range field {
			h.EightBit = h.EightBit || c > 127
		}
		name, value, ok := bytes.Cut(field, []byte(":"))
		if ok {
			h.take(strings.ToLower(string(bytes.TrimSpace(name))), unfold(value), first)
		}
		first = false
	}
	return h
}

// nextField cuts off the first line with its continuation lines.
func nextField(raw []byte) (field, rest []byte) {
	end := 0
	for {
		n := bytes.IndexByte(raw[end:], '\n')
		if n < 0 {
			return raw, nil
		}
		end += n + 1
		blank := len(bytes.TrimRight(raw[:end], "\r\n")) == 0
		if blank || end == len(raw) || raw[end] != ' ' && raw[end] != '\t' {
			return raw[:end], raw[end:]
		}
	}
}

// unfold puts a field's value on one line with single spaces.
func unfold(v []byte) string { return strings.Join(strings.Fields(string(v)), " ") }

// take notes one field; of those that should be there once the first counts.
func (h *header) take(name, value string, first bool) {
	set := func(s *string) {
		if *s == "" {
			*s = value
		}
	}
	switch name {
	case "return-path":
		if first {
			h.HasReturn, h.ReturnPath = true, strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		}
	case "message-id":
		set(&h.MessageID)
	case "date":
		set(&h.Date)
	case "from":
		set(&h.From)
	case "subject":
		set(&h.Subject)
	case "received":
		set(&h.Received)
		h.Hops++
	case traceName:
		h.Marks = append(h.Marks, value)
	}
}

// print is the fingerprint: it tells one message from another under the same
// UID, and is the same whether it comes from TOP or RETR. Where the header has
// nothing to tell by it is that of the message's beginning, which only RETR
// shows. "" if there is nothing at all.
func (h header) print() string {
	fields := []byte(strings.Join([]string{h.MessageID, h.Date, h.From, h.Received}, "\n"))
	if !h.tells() {
		if fields = h.Beginning; len(fields) == 0 {
			return ""
		}
	}
	sum := sha256.Sum256(fields)
	return hex.EncodeToString(sum[:16])
}

// tells whether the header has something to tell the message by.
func (h header) tells() bool { return h.MessageID+h.Date+h.From+h.Received != "" }

// excerpt is what a person is shown.
func (h header) excerpt() ledger.Excerpt {
	return ledger.Excerpt{MessageID: show(h.MessageID), From: show(h.From), Subject: show(h.Subject), Date: show(h.Date)}
}

// show decodes encoded words (RFC 2047) and takes out what does not belong on
// a terminal.
func show(s string) string {
	dec := mime.WordDecoder{CharsetReader: func(string, io.Reader) (io.Reader, error) { return nil, errCharset }}
	if d, err := dec.DecodeHeader(s); err == nil {
		s = d
	}
	if !utf8.ValidString(s) { // most likely Latin-1
		r := make([]rune, 0, len(s))
		for _, c := range []byte(s) {
			r = append(r, rune(c))
		}
		s = string(r)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	const most = 500
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

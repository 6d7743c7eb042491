package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
)

var errUnknownCharset = errors.New("unknown charset")

// headerLimit is how many octets of a message are searched for its header. What
// lies beyond is only passed on.
const headerLimit = 64 << 10

// Header is what popferry reads of a message. None of it decides whether the
// message is forwarded.
type Header struct {
	// ReturnPath is the mailbox in a Return-Path line that stands first, mbox lines
	// aside; "" for "<>". Where the line has no path and nothing else, it is the text
	// as it is, which is not a mailbox (forwarder.IsMailbox): nothing can be sent
	// from it.
	ReturnPath    string
	HasReturnPath bool
	MessageID     string
	Date          string
	From          string
	Subject       string
	Received      string   // the topmost one
	Hops          int      // number of Received lines
	DeliveredTo   []string // the values of the Delivered-To fields
	Traces        []string // the values of popferry's own trace fields
	EightBit      bool     // octets above 127
	// Beginning is the start of the message as it came, for messages that
	// their header does not identify.
	Beginning []byte
}

// ParseHeader reads as much of a header as it understands. It accepts any
// octets: LF or CRLF, malformed lines, a header without an end.
func ParseHeader(raw []byte) Header {
	var h Header
	if end, decided := mboxLines(raw); decided {
		raw = raw[end:]
	}
	first := len(raw) > 0 && raw[0] != ' ' && raw[0] != '\t' // not the rest of a field
	for len(raw) > 0 {
		field, rest := nextField(raw)
		if len(bytes.TrimRight(field, "\r\n")) == 0 {
			break
		}
		raw = rest
		h.EightBit = h.EightBit || highOctet(field)
		if name, value, ok := splitField(field); ok {
			h.set(name, value)
			if name == "return-path" && first && !bareCR(field) {
				h.setReturnPath(value)
			}
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

// splitField splits a field into its name, in lower case, and its value.
func splitField(field []byte) (name string, value []byte, ok bool) {
	before, value, ok := bytes.Cut(field, []byte(":"))
	return strings.ToLower(string(bytes.TrimSpace(before))), value, ok
}

// unfold puts a field's value on one line with single spaces.
func unfold(v []byte) string { return strings.Join(strings.Fields(string(v)), " ") }

// set notes one field. Of a field that should stand once, the first counts. Most are of
// no interest, and not unfolded.
func (h *Header) set(name string, value []byte) {
	once := func(s *string) {
		if *s == "" {
			*s = unfold(value)
		}
	}
	switch name {
	case "message-id":
		once(&h.MessageID)
	case "date":
		once(&h.Date)
	case "from":
		once(&h.From)
	case "subject":
		once(&h.Subject)
	case received:
		once(&h.Received)
		h.Hops++
	case deliveredTo:
		h.DeliveredTo = append(h.DeliveredTo, unfold(value))
	case traceName:
		h.Traces = append(h.Traces, unfold(value))
	}
}

// setReturnPath notes the path. Only its line ends are taken out (RFC 5322 2.2.3): in
// quotes, spaces count.
func (h *Header) setReturnPath(value []byte) {
	path := string(bytes.Trim(value, " \t\r\n"))
	for _, end := range []string{"\r", "\n"} {
		path = strings.ReplaceAll(path, end, "")
	}
	h.HasReturnPath, h.ReturnPath = true, path
	if mailbox, ok := forwarder.ParsePath(path); ok {
		h.ReturnPath = mailbox
	}
}

// ReversePath is the message's own sender as an envelope can carry it everywhere:
// "", the null reverse-path, instead of one that needs SMTPUTF8 (RFC 6531). A
// server that takes that does not know whether those behind it do: Postfix bounces
// such a message if the LMTP server of the mailbox does not. What is no path at all
// stays what it is, and the message is refused for it.
func (h Header) ReversePath() string {
	local, domain := h.ReturnPath, ""
	if at := strings.LastIndexByte(local, '@'); at >= 0 {
		local, domain = local[:at], local[at+1:]
	}
	_, err := idna.Lookup.ToASCII(domain) // which every server takes
	if highOctet([]byte(local)) || highOctet([]byte(domain)) && (err != nil || !utf8.ValidString(domain)) {
		return ""
	}
	return h.ReturnPath
}

// Fingerprint tells one message from another under the same UID. It is the same
// whether the header comes from TOP or RETR: 32 hex digits of a hash over
// Message-ID, Date, From and the topmost Received line. Where all of these are
// missing it is that of the message's beginning, which only RETR shows. "" if
// there is nothing at all.
func (h Header) Fingerprint() string {
	fields := []byte(strings.Join([]string{h.MessageID, h.Date, h.From, h.Received}, "\n"))
	if !h.Identifiable() {
		if fields = h.Beginning; len(fields) == 0 {
			return ""
		}
	}
	sum := sha256.Sum256(fields)
	return hex.EncodeToString(sum[:16])
}

// Identifiable reports whether the header has a field that identifies the
// message.
func (h Header) Identifiable() bool { return h.MessageID+h.Date+h.From+h.Received != "" }

// Weak reports whether other messages may have the same header: there is no Received
// line of a delivery. Senders do send different messages with one Message-ID.
func (h Header) Weak() bool { return h.Received == "" }

// Excerpt is the part of the header that users are shown.
func (h Header) Excerpt() ledger.Excerpt {
	return ledger.Excerpt{MessageID: display(h.MessageID), From: display(h.From), Subject: display(h.Subject), Date: display(h.Date)}
}

// display decodes encoded words (RFC 2047) and replaces what does not print. The result has at most 500 characters.
func display(s string) string {
	dec := mime.WordDecoder{CharsetReader: func(string, io.Reader) (io.Reader, error) { return nil, errUnknownCharset }}
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
	s = printable.Text(s)
	const most = 500
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

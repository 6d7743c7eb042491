package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"strings"
)

// Topmost are the values of the fields of this name above the topmost Received line:
// those that the last delivery wrote, for each hop writes on top (RFC 5321 4.4). Where
// there is no Received line nobody can tell whose they are, and there are none.
func (h Header) Topmost(name string) (values []string) {
	for is, value := range h.fields() {
		switch {
		case is == received:
			return values
		case strings.EqualFold(is, name):
			values = append(values, unfold(value))
		}
	}
	return nil
}

// Delivery tells copies of one message apart that were delivered to several recipients:
// 16 hex digits of a hash over the fields above the topmost Received line, or in all of
// the header where there is none, that name a recipient. These are the fields of this
// name, and those that servers write: Delivered-To, X-Original-To, Envelope-To,
// X-Rcpt-To, X-Envelope-Recipient and the like.
func (h Header) Delivery(name string) string {
	sum := sha256.New()
	for is, value := range h.fields() {
		if is == received {
			break
		}
		if strings.EqualFold(is, name) || strings.HasSuffix(is, "-to") || strings.Contains(is, "recipient") || strings.Contains(is, "rcpt") {
			_, _ = sum.Write([]byte(is + ":" + unfold(value) + "\n")) // which has no errors
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

const received = "received"

// fields are the names, in lower case, and values of the fields from the top.
func (h Header) fields() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		raw := h.Beginning
		if end, decided := mboxLines(raw); decided {
			raw = raw[end:]
		}
		for len(raw) > 0 {
			field, rest := nextField(raw)
			raw = rest
			if len(bytes.TrimRight(field, "\r\n")) == 0 {
				return
			}
			if name, value, ok := splitField(field); ok && !yield(name, value) {
				return
			}
		}
	}
}

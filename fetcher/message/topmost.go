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

// Spam reports whether the mailbox's own provider has marked the message as spam:
// X-Spam-Flag: YES or X-Spam-Status: Yes above the second Received line. Its filter
// writes them above the topmost one, or just below it. What is below the only one may be
// the sender's, and does not count.
func (h Header) Spam() bool {
	hops, marked := 0, false
	for is, value := range h.fields() {
		switch {
		case is != received:
			marked = marked || marksSpam(is, value)
		case marked || hops > 0:
			return marked
		default:
			hops++
		}
	}
	return false
}

// marksSpam reports whether a field says that the message is spam, as SpamAssassin and
// those who follow it write it.
func marksSpam(field string, value []byte) bool {
	verdict, _, _ := strings.Cut(unfold(value), ",")
	if field == "x-spam-status" {
		verdict, _, _ = strings.Cut(verdict, " ")
	}
	return (field == "x-spam-flag" || field == "x-spam-status") && strings.EqualFold(verdict, "yes")
}

// Delivery tells copies of one message apart that were delivered to several recipients:
// 16 hex digits of a hash over the fields that name a recipient (NamesRecipient), above
// the topmost Received line, or in all of the header where there is none.
func (h Header) Delivery() string { return h.delivery(NamesRecipient) }

// DeliveryField is Delivery over the fields of one name.
func (h Header) DeliveryField(name string) string {
	return h.delivery(func(is string) bool { return strings.EqualFold(is, name) })
}

// NamesRecipient reports whether servers write the recipient of a delivery into fields of
// this name: Delivered-To, X-Original-To, Envelope-To, X-Rcpt-To, X-Envelope-Recipient
// and the like.
func NamesRecipient(field string) bool {
	field = strings.ToLower(field)
	return strings.HasSuffix(field, "-to") || strings.Contains(field, "recipient") || strings.Contains(field, "rcpt")
}

func (h Header) delivery(counts func(field string) bool) string {
	sum := sha256.New()
	for is, value := range h.fields() {
		if is == received {
			break
		}
		if counts(is) {
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

package message

import (
	"bytes"
	"strings"
)

// Topmost are the values of the fields of this name above the topmost Received line:
// those that the last delivery wrote, for each hop writes on top (RFC 5321 4.4). Where
// there is no Received line nobody can tell whose they are, and there are none.
func (h Header) Topmost(name string) (values []string) {
	raw := h.Beginning
	if end, decided := mboxLines(raw); decided {
		raw = raw[end:]
	}
	for len(raw) > 0 {
		field, rest := nextField(raw)
		raw = rest
		if len(bytes.TrimRight(field, "\r\n")) == 0 {
			break
		}
		is, value, ok := splitField(field)
		switch {
		case ok && is == "received":
			return values
		case ok && strings.EqualFold(is, name):
			values = append(values, unfold(value))
		}
	}
	return nil
}

package imap

import (
	"iter"
	"strings"

	"github.com/popferry/popferry/forwarder"
)

// header is some fields of a message's header, as a server returns them.
type header string

// fields yields the fields in their order: the name, the body unfolded, and the
// number of octets of it all, with its line ends (RFC 5322 2.2).
func (h header) fields() iter.Seq2[field, int] {
	return func(yield func(field, int) bool) {
		rest := string(h)
		for rest != "" {
			raw := firstField(rest)
			rest = rest[len(raw):]
			name, body, ok := strings.Cut(raw, ":")
			if ok && !yield(field{strings.TrimSpace(name), strings.Join(strings.Fields(body), " ")}, len(raw)) {
				return
			}
		}
	}
}

// field is one field.
type field struct{ name, body string }

// firstField is the first line with those that continue it.
func firstField(s string) string {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '\n')
		if i < 0 {
			return s
		}
		if at += i + 1; at == len(s) || s[at] != ' ' && s[at] != '\t' {
			return s[:at]
		}
	}
}

// is reports whether the field has a name.
func (f field) is(name string) bool { return strings.EqualFold(f.name, name) }

// get returns the first field with a name, "" if there is none.
func (h header) get(name string) string {
	for f := range h.fields() {
		if f.is(name) {
			return f.body
		}
	}
	return ""
}

// traces yields the ids in the trace fields: "id=ID; account=MARK". A message that
// went through several mailboxes has several.
func (h header) traces() iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range h.fields() {
			if !f.is(forwarder.TraceField) {
				continue
			}
			for part := range strings.SplitSeq(f.body, ";") {
				if id, ok := strings.CutPrefix(strings.TrimSpace(part), "id="); ok && !yield(id) {
					return
				}
			}
		}
	}
}

// delivery is the newest Received field that popferry has not written, "" if there is
// none.
func (h header) delivery() string {
	for f := range h.fields() {
		if f.is("Received") && !f.popferrys() {
			return f.body
		}
	}
	return ""
}

// popferrys reports whether a Received field is of popferry's making.
func (f field) popferrys() bool { return strings.Contains(f.body, " by popferry ") }

// traceSize is how many octets popferry has put on top of a message: the first
// trace field, the first with the account's name above it, and the first Received
// field that says "by popferry".
func (h header) traceSize() int64 {
	n, trace, received, account := 0, false, false, false
	for f, octets := range h.fields() {
		switch {
		case !trace && !account && f.is(forwarder.AccountField):
			account = true
			n += octets
		case !trace && f.is(forwarder.TraceField):
			trace = true
			n += octets
		case !received && f.is("Received") && f.popferrys():
			received = true
			n += octets
		}
	}
	return int64(n)
}

package message

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/popferry/popferry/fetcher/spool"
)

// deliveredTo is the field, in lower case, in which a delivery names the mailbox.
// A server that finds its own in a message takes it for a mail loop: Postfix's
// local(8), OpenSMTPD, Courier and qmail accept such a message and then bounce it.
// Nothing is lost without it: the message goes to that very address, DKIM does not
// sign the field, and real loops are found by popferry's own trace (CheckLoop).
const deliveredTo = "delivered-to"

// Outgoing is a message as it is sent.
type Outgoing struct {
	top  []byte // trace lines, and the beginning where fields of it are left out
	item *spool.Item
	from int64 // what of the item follows
}

// Outgoing is the message with these lines on top, for these recipients:
// Delivered-To fields that name one of them are left out. It must not be used
// after Release.
func (b *Body) Outgoing(top []byte, recipients []string) Outgoing {
	o := Outgoing{top: top, item: b.Item}
	if !slices.ContainsFunc(b.Header.DeliveredTo, func(value string) bool { return names(value, recipients) }) {
		return o
	}
	var beginning bytes.Buffer
	n := NewNormalizer(&beginning)
	_, _ = n.Write(b.Header.Beginning) // a bytes.Buffer has no errors
	_ = n.Close()
	o.from = int64(beginning.Len())
	o.top = append(slices.Clip(top), withoutDeliveredTo(beginning.Bytes(), o.from == b.Item.Size(), recipients)...)
	return o
}

// withoutDeliveredTo is the beginning of a message without the fields of its header
// that name a recipient. all reports whether nothing follows: else its last field
// may be continued there, and stays.
func withoutDeliveredTo(beginning []byte, all bool, recipients []string) []byte {
	var out []byte
	for len(beginning) > 0 {
		field, rest := nextField(beginning)
		if len(bytes.TrimRight(field, "\r\n")) == 0 || len(rest) == 0 && !all {
			break
		}
		if name, value, ok := splitField(field); !ok || name != deliveredTo || !names(unfold(value), recipients) {
			out = append(out, field...)
		}
		beginning = rest
	}
	return append(out, beginning...)
}

// names reports whether the value of a Delivered-To field is one of these
// addresses.
func names(value string, recipients []string) bool {
	address := fold(strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">"))
	return slices.ContainsFunc(recipients, func(r string) bool { return fold(r) == address })
}

// fold takes from an address what servers overlook when they compare it: case, and
// the form of an internationalised domain.
func fold(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	if domain, err := idna.Lookup.ToASCII(address[at:]); err == nil {
		address = address[:at] + domain
	}
	return strings.ToLower(address)
}

// Size is the number of octets.
func (o Outgoing) Size() int64 { return int64(len(o.top)) + o.item.Size() - o.from }

// WriteTo implements io.WriterTo.
func (o Outgoing) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, o.Reader()) }

// Reader returns the octets from their start.
func (o Outgoing) Reader() io.Reader { return &withTop{top: o.top, item: o.item.Tail(o.from)} }

// withTop reads the top, then the item. Unlike io.MultiReader it hands over what
// is in memory without copying it.
type withTop struct {
	top  []byte
	item io.Reader
}

func (w *withTop) Read(p []byte) (int, error) {
	if len(w.top) > 0 {
		n := copy(p, w.top)
		w.top = w.top[n:]
		return n, nil
	}
	return w.item.Read(p)
}

// WriteTo implements io.WriterTo.
func (w *withTop) WriteTo(to io.Writer) (int64, error) {
	n, err := to.Write(w.top)
	w.top = w.top[n:]
	if err != nil {
		return int64(n), err
	}
	rest, err := io.Copy(to, w.item)
	return int64(n) + rest, err
}

package message

import (
	"io"

	"github.com/popferry/popferry/fetcher/spool"
	"github.com/popferry/popferry/forwarder"
)

// Body is a message in the spool. Its owner releases the item.
type Body struct {
	Item     *spool.Item // normalized: what is sent below the trace lines
	Header   Header
	Octets   int64 // as they came, before they were normalized
	EightBit bool  // octets above 127 (RFC 6152)
	// Strays is what Item has outside of its lines. What Outgoing puts on top or
	// leaves out are whole lines, and changes nothing of that.
	Strays forwarder.Strays
}

// Store puts a message, normalized, into the item. If it fails, the item is
// released; errors are those of from, and *spool.Error.
func Store(item *spool.Item, from io.WriterTo) (*Body, error) {
	n := NewNormalizer(item)
	octets, err := from.WriteTo(n)
	if err == nil {
		err = n.Close()
	}
	if err != nil {
		item.Release()
		return nil, err
	}
	return &Body{Item: item, Header: n.Header(), Octets: octets, EightBit: n.EightBit(), Strays: n.Strays()}, nil
}

// Release gives the spool its room back. It may be called twice.
func (b *Body) Release() { b.Item.Release() }

package message

import (
	"io"

	"github.com/popferry/popferry/fetcher/spool"
)

// Body is a message in the spool. Its owner releases the item.
type Body struct {
	Item     *spool.Item // normalized: what is sent below the trace lines
	Header   Header
	Octets   int64 // as they came, before they were normalized
	EightBit bool  // octets above 127 (RFC 6152)
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
	return &Body{Item: item, Header: n.Header(), Octets: octets, EightBit: n.EightBit()}, nil
}

// Release gives the spool its room back. It may be called twice.
func (b *Body) Release() { b.Item.Release() }

// Reader returns the message from its start, with these lines on top. It must
// not be used after Release.
func (b *Body) Reader(top []byte) io.Reader {
	return &withTop{top: top, item: b.Item.Reader()}
}

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

package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
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
	digest string // "": Digest has to read the message
}

// Store puts a message, normalized, into the item. If it fails, the item is
// released; errors are those of from, and *spool.Error.
func Store(item *spool.Item, from io.WriterTo) (*Body, error) {
	return through(item, NewNormalizer(item), from)
}

// StoreDigested is Store for a message whose digest will be asked for. It is taken while
// the message comes, so that a large one need not be read again for it.
func StoreDigested(item *spool.Item, from io.WriterTo) (*Body, error) {
	d := &digester{w: item, sum: sha256.New()}
	d.n = NewNormalizer(d)
	b, err := through(item, d.n, from)
	if err == nil && d.top == b.returnPathLine() { // else the header showed only later what is on top
		b.digest = Digest(d.sum.Sum(nil))
	}
	return b, err
}

// through is Store by way of n, which writes to the item.
func through(item *spool.Item, n *Normalizer, from io.WriterTo) (*Body, error) {
	octets, err := from.WriteTo(n)
	if err == nil {
		err = n.Close()
	}
	if err == nil {
		err = item.Flush()
	}
	if err != nil {
		item.Release()
		return nil, err
	}
	return &Body{Item: item, Header: n.Header(), Octets: octets, EightBit: n.EightBit(), Strays: n.Strays()}, nil
}

// digester sums what Body.WriteTo will write, on the way to w.
type digester struct {
	w     io.Writer
	n     *Normalizer // it writes to the digester
	sum   hash.Hash
	begun bool
	top   string // what was taken for the line that was taken off
}

func (d *digester) Write(p []byte) (int, error) {
	if !d.begun {
		b := Body{Header: d.n.Header()}
		d.begun, d.top = true, b.returnPathLine()
		_, _ = io.WriteString(d.sum, d.top) // a hash has no errors
	}
	_, _ = d.sum.Write(p)
	return d.w.Write(p)
}

// returnPathLine is the Return-Path line that was taken off; "" if there was none.
func (b *Body) returnPathLine() string {
	if !b.Header.HasReturnPath {
		return ""
	}
	return fmt.Sprintf("Return-Path: <%s>\r\n", b.Header.ReturnPath)
}

// WriteTo writes the message as Store can read it again: with the Return-Path line
// that was taken off. It implements io.WriterTo; errors are those of w and of the
// spool's file.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	var line int
	if top := b.returnPathLine(); top != "" {
		var err error
		if line, err = io.WriteString(w, top); err != nil {
			return int64(line), err
		}
	}
	n, err := io.Copy(w, b.Item.Reader())
	return int64(line) + n, err
}

// Digest tells a message from others with the same header: 32 hex digits of the
// SHA-256 of what WriteTo writes. Errors are those of the spool's file.
func (b *Body) Digest() (string, error) {
	if b.digest != "" {
		return b.digest, nil
	}
	sum := sha256.New()
	if _, err := b.WriteTo(sum); err != nil {
		return "", err
	}
	return Digest(sum.Sum(nil)), nil
}

// Digest is Body.Digest for a SHA-256 that is known already.
func Digest(sum []byte) string { return hex.EncodeToString(sum[:16]) }

// BeginsAs reports whether one of two messages may be the beginning of the other. Where
// one was cut, a line end stands that is not its own.
func (b *Body) BeginsAs(other *Body) bool {
	const lineEnd = 2
	n := max(0, min(b.Item.Size(), other.Item.Size())-lineEnd)
	x, y := io.LimitReader(b.Item.Reader(), n), io.LimitReader(other.Item.Reader(), n)
	p, q := make([]byte, 16<<10), make([]byte, 16<<10)
	for {
		i, err := io.ReadFull(x, p)
		j, _ := io.ReadFull(y, q)
		if !bytes.Equal(p[:i], q[:j]) {
			return false
		}
		if err != nil {
			return true
		}
	}
}

// Release gives the spool its room back. It may be called twice.
func (b *Body) Release() { b.Item.Release() }

package forwarder

import (
	"encoding/base64"
	"io"
	"slices"
)

const (
	base64In  = 57 // octets of a line before encoding
	base64Out = 78 // and after it, with CRLF (RFC 2045 6.8)
)

// base64Size is the number of octets that a base64Reader makes of n.
func base64Size(n int64) int64 {
	lines := (n + base64In - 1) / base64In
	return (n+2)/3*4 + lines*int64(len("\r\n"))
}

// base64Reader encodes src, in lines that all have an end.
type base64Reader struct {
	src  io.Reader
	in   [64 * base64In]byte
	out  [64 * base64Out]byte
	left []byte // of out
	err  error  // of src, returned when nothing is left
}

func (b *base64Reader) Read(p []byte) (int, error) {
	if len(b.left) == 0 && b.err == nil {
		b.fill()
	}
	if len(b.left) == 0 {
		return 0, b.err
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// fill encodes as many whole lines as there is room for. Only the last line of
// all can be shorter.
func (b *base64Reader) fill() {
	n := 0
	for n < len(b.in) && b.err == nil {
		var got int
		got, b.err = b.src.Read(b.in[n:])
		n += got
	}
	b.left = b.out[:0]
	for line := range slices.Chunk(b.in[:n], base64In) {
		b.left = append(base64.StdEncoding.AppendEncode(b.left, line), "\r\n"...)
	}
}

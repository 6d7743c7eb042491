package spool

import (
	"fmt"
	"io"
	"testing"
)

// BenchmarkSpool: a message written, in pieces of that size, and read again. Where many
// lines begin with a dot, the pieces are lines.
func BenchmarkSpool(b *testing.B) {
	for _, c := range []struct{ size, piece int }{{20_000, chunkSize}, {40_000_000, chunkSize}, {40_000_000, 78}} {
		b.Run(fmt.Sprintf("octets=%d/piece=%d", c.size, c.piece), func(b *testing.B) {
			size, piece := c.size, c.piece
			s, p := New(b.TempDir(), 64<<20), make([]byte, size)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				it := s.NewItem()
				for rest := p; len(rest) > 0; rest = rest[min(len(rest), piece):] {
					if _, err := it.Write(rest[:min(len(rest), piece)]); err != nil {
						b.Fatal(err)
					}
				}
				if err := it.Flush(); err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, it.Reader()); err != nil {
					b.Fatal(err)
				}
				it.Release()
			}
		})
	}
}

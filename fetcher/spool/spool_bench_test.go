package spool

import (
	"fmt"
	"io"
	"testing"
)

// BenchmarkSpool: a message written and read again.
func BenchmarkSpool(b *testing.B) {
	for _, size := range []int{20_000, 40_000_000} {
		b.Run(fmt.Sprintf("octets=%d", size), func(b *testing.B) {
			s, p := New(b.TempDir(), 64<<20), make([]byte, size)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				it := s.NewItem()
				for rest := p; len(rest) > 0; rest = rest[min(len(rest), chunkSize):] {
					if _, err := it.Write(rest[:min(len(rest), chunkSize)]); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := io.Copy(io.Discard, it.Reader()); err != nil {
					b.Fatal(err)
				}
				it.Release()
			}
		})
	}
}

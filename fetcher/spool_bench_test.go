package fetcher

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// benchLetter is a message of about so many octets, with lines of the usual
// length.
func benchLetter(size int, end string) []byte {
	head := "Return-Path: <a@example.org>\r\nReceived: from a by b; Sun, 01 Nov 2026 10:00:00 +0000\r\n" +
		"From: a@example.org\r\nMessage-ID: <1@example.org>\r\nDate: Sun, 01 Nov 2026 10:00:00 +0000\r\nSubject: s\r\n\r\n"
	line := "a line of a message, of about the usual length, with its end, so that it has 76" + end
	return append([]byte(head), bytes.Repeat([]byte(line), size/len(line))...)
}

// pieces is a reader that gives a message as a connection does.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// BenchmarkSpool: a message written and read again.
func BenchmarkSpool(b *testing.B) {
	for _, size := range []int{20_000, 40_000_000} {
		b.Run(fmt.Sprintf("octets=%d", size), func(b *testing.B) {
			s, p := NewSpool(b.TempDir(), 64<<20), benchLetter(size, "\r\n")
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				it := s.New()
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

// BenchmarkIntake: a message from the wire to the spool, and its header.
func BenchmarkIntake(b *testing.B) {
	for _, end := range []string{"\r\n", "\n"} {
		for _, size := range []int{20_000, 40_000_000} {
			b.Run(fmt.Sprintf("end=%q/octets=%d", end, size), func(b *testing.B) {
				s, p := NewSpool(b.TempDir(), 64<<20), benchLetter(size, end)
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					it := s.New()
					in := &intake{w: it}
					if _, err := io.Copy(in, &pieces{p, 16 << 10}); err != nil {
						b.Fatal(err)
					}
					if err := in.Close(); err != nil {
						b.Fatal(err)
					}
					_ = in.header()
					it.Release()
				}
			})
		}
	}
}

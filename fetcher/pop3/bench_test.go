package pop3

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

// BenchmarkBody reads messages in lines of 76 octets, without dots to take
// away and with one in every tenth line.
func BenchmarkBody(b *testing.B) {
	plain := []byte(strings.Repeat("x", 75) + ".\r\n")
	dotted := slices.Concat(bytes.Repeat(plain, 9), []byte("."), bytes.Repeat([]byte("."), 76), []byte("\r\n"))
	for _, bb := range []struct {
		name string
		size int
		line []byte
	}{
		{"1kB", 1000, plain},
		{"1kB dots", 1000, dotted},
		{"20kB", 20_000, plain},
		{"20kB dots", 20_000, dotted},
		{"40MB", 40_000_000, plain},
		{"40MB dots", 40_000_000, dotted},
	} {
		b.Run(bb.name, func(b *testing.B) {
			wire := append(bytes.Repeat(bb.line, max(1, bb.size/len(bb.line))), ".\r\n"...)
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			ok := []byte("+OK\r\n")
			server := &answers{}
			c, done := from(server)
			defer done()
			for b.Loop() {
				server.parts = append(server.parts[:0], ok, wire)
				body, err := c.Retr(b.Context(), 1)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := body.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkListing reads UIDL and LIST of 100,000 messages.
func BenchmarkListing(b *testing.B) {
	uidl := numbered(100_000)
	b.SetBytes(int64(2 * len(uidl)))
	b.ReportAllocs()
	for b.Loop() {
		c, done := from(&answers{[][]byte{uidl, uidl}})
		if l, err := c.Listing(b.Context()); err != nil || len(l.Entries) != 100_000 {
			b.Fatal(len(l.Entries), err)
		}
		done()
	}
}

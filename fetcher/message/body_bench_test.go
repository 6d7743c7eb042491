package message

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/popferry/popferry/fetcher/spool"
)

// benchLetter is a message of about so many octets, with lines of the usual
// length.
func benchLetter(size int, end string) []byte {
	head := "Return-Path: <a@example.org>\r\nReceived: from a by b; Sun, 01 Nov 2026 10:00:00 +0000\r\n" +
		"From: a@example.org\r\nMessage-ID: <1@example.org>\r\nDate: Sun, 01 Nov 2026 10:00:00 +0000\r\nSubject: s\r\n\r\n"
	line := "a line of a message, of about the usual length, with its end, so that it has 76" + end
	return append([]byte(head), bytes.Repeat([]byte(line), size/len(line))...)
}

// pieces is a message that comes in pieces, as from a connection.
type pieces struct {
	message []byte
	size    int
}

func (p *pieces) WriteTo(w io.Writer) (int64, error) {
	for piece := range slices.Chunk(p.message, p.size) {
		if _, err := w.Write(piece); err != nil {
			return 0, err
		}
	}
	return int64(len(p.message)), nil
}

// BenchmarkStore: a message from the wire to the spool, and its header.
func BenchmarkStore(b *testing.B) {
	for _, end := range []string{"\r\n", "\n"} {
		for _, size := range []int{20_000, 40_000_000} {
			b.Run(fmt.Sprintf("end=%q/octets=%d", end, size), func(b *testing.B) {
				s, p := spool.New(b.TempDir(), 64<<20), benchLetter(size, end)
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					body, err := Store(s.NewItem(), &pieces{p, 16 << 10})
					if err != nil {
						b.Fatal(err)
					}
					body.Release()
				}
			})
		}
	}
}

// BenchmarkParseHeader reads the header of a message that has come a long way.
func BenchmarkParseHeader(b *testing.B) {
	var raw []byte
	for i := range 8 {
		raw = fmt.Appendf(raw, "Received: from mx%d.example.org (mx%[1]d.example.org [192.0.2.%[1]d])\r\n\tby mx.example.net with ESMTPS id %[1]d;\r\n\tSun, 01 Nov 2026 10:00:00 +0000\r\n", i)
		raw = fmt.Appendf(raw, "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=%d; h=From:To:Subject:Date;\r\n\tbh=%s;\r\n\tb=%[2]s\r\nX-Spam-Report: %[2]s\r\n", i, bytes.Repeat([]byte("abc+"), 40))
	}
	raw = append(raw, benchLetter(0, "\r\n")...)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if h := ParseHeader(raw); h.Hops != 9 || h.MessageID == "" {
			b.Fatalf("%+v", h)
		}
	}
}

package message

import (
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/popferry/popferry/forwarder"
)

// FuzzParseHeader: whatever stands in a header, what is taken from it takes memory in
// proportion, is one line for people, and never names a sender that is no mailbox.
func FuzzParseHeader(f *testing.F) {
	f.Add([]byte("Return-Path: <leo@example.org>\r\nReceived: from a\r\n\tby b; now\r\nSubject: =?utf-8?q?M=C3=BCde?=\r\nFrom: a@b\r\n\r\n"))
	f.Add([]byte("Return-Path: <a@b> SIZE=1\r\nReturn-Path:\r\n :\r\n"))
	f.Add([]byte("From leo Sun Nov  1 10:00:00 2026\nSubject: =?x?b?" + strings.Repeat("QUJD", 100) + "?=\n"))
	f.Add([]byte(strings.Repeat("Received:\n", 500) + strings.Repeat("Delivered-To: a@b\n", 500)))
	f.Add([]byte("Subject:\n " + strings.Repeat("=?iso-8859-1?q?=E4?= ", 300) + "\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > headerLimit {
			return
		}
		var h Header
		if most := uint64(64<<10 + 64*len(raw)); allocates(most, func() { h = ParseHeader(raw); _ = h.Excerpt(); _ = h.Fingerprint() }) {
			t.Errorf("a header of %d octets takes more than %d", len(raw), most)
		}
		e := h.Excerpt()
		for _, text := range []string{e.MessageID, e.From, e.Subject, e.Date} {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q is not one line of text", text)
			}
		}
		if p := h.ReversePath(); p != "" && !forwarder.IsMailbox(p) && p != h.ReturnPath {
			t.Errorf("the sender %q is neither a mailbox nor what stands there", p)
		}
		if len(h.DeliveredTo)+len(h.Traces)+h.Hops > len(raw) {
			t.Errorf("%d fields of %d octets", len(h.DeliveredTo)+len(h.Traces)+h.Hops, len(raw))
		}
	})
}

// allocates reports whether each of three calls of f allocates more than so many
// octets. One may have met with what else the process does.
func allocates(most uint64, f func()) bool {
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if after.TotalAlloc-before.TotalAlloc <= most {
			return false
		}
	}
	return true
}

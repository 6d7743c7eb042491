package message

import (
	"io"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/spool"
	"github.com/popferry/popferry/forwarder"
)

// TestStraysAreThoseOfWhatIsSent: whatever popferry puts on top of a message, leaves
// out of it or changes makes no false end that was not found.
func TestStraysAreThoseOfWhatIsSent(t *testing.T) {
	t.Parallel()
	length := 5
	if testing.Short() {
		length = 3
	}
	top := origin.TraceLines("0123456789", noon)
	store := spool.New(t.TempDir(), 1<<30)
	seen := map[forwarder.Strays]int{}
	endings(length, func(s string) {
		for _, octets := range []string{
			s,
			s + "Subject: s\r\n\r\nMAIL FROM:<a@b>\r\n",
			"Return-Path: <a@b>" + s + "Subject: s\r\n",
			"From a Sun Nov  1 10:00:00 2026\r\n" + s + "Subject: s\r\n",
			"Subject: s\r\n\r\ntext" + s + "MAIL FROM:<a@b>\r\n",
			"Delivered-To: leo@b" + s + "Subject: s\r\n\r\n",
			"Subject: s\r\nDelivered-To: leo@b\r\n" + s + "MAIL FROM:<a@b>\r\n",
		} {
			b, err := Store(store.NewItem(), strings.NewReader(octets))
			if err != nil {
				t.Fatal(err)
			}
			var sent forwarder.StrayFinder
			if _, err := io.Copy(&sent, b.Outgoing(top, []string{"leo@b"}).Reader()); err != nil {
				t.Fatal(err)
			}
			left := strings.HasPrefix(octets, "Delivered-To") || strings.Contains(octets, "\nDelivered-To")
			if got := sent.End(); got > b.Strays || got < b.Strays && !left {
				t.Fatalf("%q: found %d, sent %d", octets, b.Strays, got)
			}
			seen[b.Strays]++
			b.Release()
		}
	})
	if len(seen) != 3 {
		t.Errorf("found %v, want some of each", seen)
	}
}

// endings calls each with all strings of up to so many octets of this alphabet.
func endings(length int, each func(string)) {
	const alphabet = "\r\n\x00.x"
	var grow func(string)
	grow = func(s string) {
		each(s)
		if len(s) < length {
			for _, c := range alphabet {
				grow(s + string(c))
			}
		}
	}
	grow("")
}

package app

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/memtest"
	"github.com/popferry/popferry/forwarder/smtp"
)

// FuzzParseFacts: what the ledger has of a destination's server may be anything, and
// what is made of it can be written and read again.
func FuzzParseFacts(f *testing.F) {
	f.Add(`{"no_bdat":{"at":"2026-11-01T10:00:00Z","count":2},"refused_auth":{"PLAIN":{"at":"2026-11-01T10:00:00Z","count":1}},"sessions":2}`)
	f.Add(`{"sessions":-1,"sessions_at":"9999-12-31T23:59:59Z"}`)
	f.Add(strings.Repeat(`{"refused_auth":`, 500))
	f.Fuzz(func(t *testing.T, text string) {
		var again string
		if most := uint64(64<<10 + 256*len(text)); memtest.Exceeds(most, func() { again = formatFacts(parseFacts[smtp.Facts](text)) }) {
			t.Errorf("%d octets take more than %d", len(text), most)
		}
		if third := formatFacts(parseFacts[smtp.Facts](again)); third != again {
			t.Errorf("%q is written as %q and then as %q", text, again, third)
		}
	})
}

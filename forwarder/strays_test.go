package forwarder_test

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

func TestStrayFinder(t *testing.T) {
	t.Parallel()
	const none, some, end = forwarder.NoStrays, forwarder.SomeStrays, forwarder.FalseEnd
	for octets, want := range map[string]forwarder.Strays{
		"":                       none,
		"a":                      none,
		"a\r\n.\r\n..\r\n\r\nb.": none,
		".":                      none, // stuffed, as every dot behind a line end
		"\r\n.\rb":               some,
		"a\rb.\r\n":              some,
		"a\r":                    some,
		"a\r\r\n.\r\n":           some,
		"\x00":                   some,
		"a\x00.\r\n":             some, // not where a line begins, whatever is dropped
		"a\x00.\x00b\x00":        some, // UTF-16
		"a\r.b\r\n":              some,
		"a\r..\r\n":              some,
		"a\r.":                   end,
		"a\r.\r\n":               end,
		"a\r.\rb":                end,
		"\r\n.\r.\x00":           end,
		"a\r.\x00b":              end,
		"\x00.\r\n":              end, // the message begins a line
		"\r\n\x00.\r\n":          end,
		"\r\n\r.\r\n":            end,
		"\r\x00.\r\n":            end,
		"a\r\x00\x00.\x00\r\n":   end,
		"a\x00\r\x00.\r\nb":      end,
	} {
		for before, size := range map[string]int{"": 1, strings.Repeat("text\r\n", 20): 7, "text\r\n": 1000} {
			var f forwarder.StrayFinder
			for rest := before + octets; rest != ""; {
				n := min(size, len(rest))
				if written, err := f.Write([]byte(rest[:n])); written != n || err != nil {
					t.Fatalf("wrote %d of %d octets: %v", written, n, err)
				}
				rest = rest[n:]
				f.End() // changes nothing
			}
			if got := f.End(); got != want {
				t.Errorf("%q behind %d octets, in pieces of %d: %d, want %d", octets, len(before), size, got, want)
			}
		}
	}
}

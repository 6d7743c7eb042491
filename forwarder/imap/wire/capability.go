package wire

import (
	"strconv"
	"strings"
)

// Capabilities are what the server says that it can do (RFC 9051 6.1.1), by their
// names in upper case; those of the form NAME=VALUE as they are.
type Capabilities map[string]bool

func newCapabilities(names []string) Capabilities {
	c := make(Capabilities, len(names))
	for _, n := range names {
		c[strings.ToUpper(n)] = true
	}
	return c
}

// Has reports whether all names are there.
func (c Capabilities) Has(names ...string) bool {
	for _, n := range names {
		if !c[n] {
			return false
		}
	}
	return true
}

// Gmail reports whether the server has Gmail's extensions.
func (c Capabilities) Gmail() bool { return c.Has("X-GM-EXT-1") }

// UTF8 reports whether folders have their names in UTF-8: a server that knows only
// IMAP4rev2 has nothing else (RFC 9051 5.1). Others wait for ENABLE, which is never
// sent.
func (c Capabilities) UTF8() bool { return c.Has("IMAP4REV2") && !c.Has("IMAP4REV1") }

// Binary reports whether a message may have NULs (RFC 3516).
func (c Capabilities) Binary() bool { return c.Has("BINARY") }

// Unasked reports whether the server takes a literal of n octets without asking
// for it first (RFC 7888).
func (c Capabilities) Unasked(n int64) bool {
	return c.Has("LITERAL+") || n <= 4096 && (c.Has("LITERAL-") || c.Has("IMAP4REV2"))
}

// Limit is the largest message that the server takes (RFC 7889), 0 if it does not
// say, and whether each folder has a limit of its own.
func (c Capabilities) Limit() (octets int64, perFolder bool) {
	for name := range c {
		if n, ok := strings.CutPrefix(name, "APPENDLIMIT="); ok {
			if octets, err := strconv.ParseInt(n, 10, 64); err == nil && octets > 0 {
				return octets, false
			}
		}
	}
	return 0, c.Has("APPENDLIMIT")
}

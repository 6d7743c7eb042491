package forwarder

import "io"

// Message is one message to hand over.
type Message struct {
	// Sender is the envelope sender without angle brackets; "" is the null
	// reverse-path "<>" (RFC 5321 4.5.5).
	Sender string
	// Recipients are the envelope recipients without angle brackets, at least
	// one, none of them twice.
	Recipients []string
	// Size counts the octets of Body.
	Size int64
	// EightBit tells that Body has octets above 127 (RFC 6152).
	EightBit bool
	// UTF8 tells that the header has octets above 127 (RFC 6531).
	UTF8 bool
	// Body returns the message from its first octet, with CRLF line ends and
	// without dot-stuffing. It can be called again for another try.
	Body func() io.Reader
	// Queued, where set, is called when the message has its place among those
	// that wait: whatever comes from then on is behind it. It may be called more
	// than once, and must not wait.
	Queued func()
	// Settled, where set, is closed when what became of the message is on disk:
	// until then it counts as in flight. Else that is when it was handed over.
	Settled <-chan struct{}
}

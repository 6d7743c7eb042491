package identify

import "github.com/popferry/popferry/fetcher/ledger"

// Print is what a header says of a message's identity.
type Print struct {
	Fingerprint string // "": nothing
	// Weak: there is no Received line, which no two messages share. Senders do send
	// different messages with one Message-ID.
	Weak bool
	// Headless: no field identifies the message, and its fingerprint is that of the
	// octets that it begins with.
	Headless bool
}

// another reports whether a header is that of another message than a row's.
func (p Print) another(k *ledger.Known) bool {
	return p.Fingerprint != "" && !ledger.SameFingerprint(p.Fingerprint, k.Fingerprint)
}

// Matches reports whether a message with this header and listed size is that of a
// row. A row without a fingerprint, of a message that was never fetched or that its
// header does not identify, is compared by size. So is one whose header is weak,
// unless its message was in the last listing.
func Matches(k ledger.Known, print Print, size int64) bool {
	if k.Fingerprint == "" {
		return size >= 0 && size == k.Size
	}
	return ledger.SameFingerprint(k.Fingerprint, print.Fingerprint) && (!print.Weak || listedLastTime(&k) || size >= 0 && size == k.Size)
}

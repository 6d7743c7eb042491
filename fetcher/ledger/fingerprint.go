package ledger

import "strings"

// Known.Fingerprint has one part or two: what the header says of the message, and, where
// an account does not treat all copies of a message alike, what it says of this copy's
// delivery. A hyphen is between them.

// DeliveryFingerprint is the fingerprint of a message's header and of its delivery.
func DeliveryFingerprint(header, delivery string) string { return header + "-" + delivery }

// HeaderFingerprint is the part of a fingerprint that all copies of a message share.
func HeaderFingerprint(fingerprint string) string {
	header, _, _ := strings.Cut(fingerprint, "-")
	return header
}

// SameFingerprint reports whether two fingerprints may be those of one message. Of
// deliveries it says nothing where only one of them is known: the row is older than the
// account's filter, say.
func SameFingerprint(a, b string) bool {
	headerA, deliveryA, knownA := strings.Cut(a, "-")
	headerB, deliveryB, knownB := strings.Cut(b, "-")
	return headerA == headerB && (!knownA || !knownB || deliveryA == deliveryB)
}

// Package identify tells new messages from known ones. It is pure: a listing and
// the ledger's rows go in, a plan comes out.
//
//	listing x rows > Compare > Plan: due, to be skipped, expired, ambiguous
//	  > ResolveByFingerprint, once the headers of the ambiguous ones are known
//
// UIDs alone prove nothing: sizes, fingerprints and what the last listing had
// are compared too (RFC 1939 section 7). Renumbered and Rematch recognise a
// server that has given new UIDs to all of its messages. Nothing here deletes,
// sends or writes.
package identify

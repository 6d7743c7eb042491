// Package forwarder defines what the fetcher and a destination exchange: the
// Message that is delivered, and the Outcome for each of its recipients.
//
// An Outcome is evidence: where the transaction ended and what the server said.
// Its predicates say what a reply is about, and fetcher/outcome decides what
// that means for the message.
//
// Package smtp delivers over SMTP and LMTP, package imap into a folder of an IMAP
// server, package maildir into a folder of this machine. The last also keeps
// messages that were refused, and Wrap makes a message of a refused one that can be
// delivered.
package forwarder

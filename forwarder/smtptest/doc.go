// Package smtptest has an SMTP and LMTP server on loopback that keeps what it
// accepts in memory, octet for octet, and misbehaves on request. It serves
// tests and the demo.
//
// It is go-smtp's server with a Session that records, behind a connection that
// can hide extensions and end at any point. A server that breaks the protocol
// itself is better written down as a script beside the test.
//
// One sequence go-smtp's server can't read after DATA: behind CR CR LF it takes
// the next line for the rest of that one, so that a dot there stays stuffed and
// a final dot is not seen. BDAT has no such limit.
package smtptest

// Package smtptest is an SMTP and LMTP server on loopback for tests and the demo.
// It keeps the messages that it accepts in memory, octet for octet, and
// misbehaves on request.
//
// It is go-smtp's server with a Session that records, on connections that can
// hide extensions and end at any point. A server that breaks the protocol itself
// is better written as a script in the test.
//
// go-smtp's server cannot read one sequence after DATA: behind CR CR LF it takes
// the next line for the rest of that one, so a dot there stays stuffed and a
// final dot is not seen. BDAT does not have that limit.
package smtptest

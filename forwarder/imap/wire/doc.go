// Package wire is the protocol of IMAP as far as a client needs it that stores
// messages and looks for them: commands with their tags, responses (RFC 9051 4, 7),
// literals, and names in modified UTF-7. What the commands are for is not its
// business.
//
// Every write and every wait for an answer has a time of its own, and every response
// a size. Nothing is written behind a message that did not come to its end.
package wire

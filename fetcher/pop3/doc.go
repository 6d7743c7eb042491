// Package pop3 is a POP3 client: the protocol and nothing else. It speaks
// RFC 1939 on a connection that it is given, with CAPA (RFC 2449), STLS
// (RFC 2595) and AUTH (RFC 5034), and keeps no state beyond the session.
//
// A session, from left to right:
//
//	Open (connect > greeting > STLS > CAPA > UTF8 > login > CAPA) > Listing > Retr* > Dele* > Quit
//
// Open tries again, on a new connection, without an optional command that the server
// does not answer, and by the next login method where one is only listed. What it
// learns so is in its Facts: the caller keeps them, and says for how long they count.
//
// Octets are the server's: a Body removes dot-stuffing and leaves everything
// else as it came, in constant memory, however long lines and messages are.
//
// The client is lenient about the form of replies (case, spacing, missing
// texts, malformed lines in a listing) and strict about everything that decides
// about mail: a message that may be incomplete is an error, and unsolicited
// octets end the session.
//
// # Why not go-pop3
//
// github.com/knadh/go-pop3 keeps each message whole in memory, and turns each
// bare LF in it into CRLF. It takes a line "." between bare LFs for the end of
// the message, and reads the rest as replies. It has no STLS, SASL and CAPA, no
// time limits except for dialing, no contexts and no pipelining. So it is not
// in the product, but a witness in the tests: both clients have to read the same.
//
// # Errors
//
// A refusal (-ERR) is an *Error; the session stays as it is, and Kind says what
// the refusal means. Everything else that goes wrong on the wire breaks the
// session for good: a protocol violation (*ProtocolError), a timeout
// (os.ErrDeadlineExceeded), an end of the connection (io.ErrUnexpectedEOF) or
// of a context (its cause). The connection is then closed, nothing more is
// sent, and every later call returns the first such error. No error contains a
// password or anything derived from one.
//
// # Time
//
// Each read and write has a limit, and so have each reply, the rate at which
// a body or listing arrives, and the session; see Options. A context that ends
// closes the connection, so it ends any wait at once.
//
// # Concurrency
//
// A Client is for one goroutine at a time; only Close, Err and contexts may be
// used from others. Several commands can be in flight (RFC 2449 section 6.6):
// Ahead sends them, and the ordinary methods read their replies.
package pop3

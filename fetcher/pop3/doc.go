// Package pop3 is a POP3 client: the protocol and nothing else. It is handed
// a connection, speaks RFC 1939 on it with CAPA (RFC 2449), STLS (RFC 2595)
// and AUTH (RFC 5034), and keeps no state beyond the session.
//
// A session, from left to right:
//
//	Open (connect > greeting > STLS > CAPA > login > CAPA) > Listing > Retr* > Dele* > Quit
//
// Octets are the server's: a Body removes dot-stuffing and leaves everything
// else as it came, in constant memory, however long lines and messages are.
//
// The client is lenient with the forms of a reply (case, spacing, missing
// texts, junk between the lines of a listing) and strict with everything that
// decides about mail: what cannot be told to be whole is an error, and octets
// that nobody asked for end the session.
//
// # Errors
//
// A refusal (-ERR) is an *Error; it leaves the session as it is, and its Kind
// says what to make of it. Everything else that goes wrong on the wire, an
// answer that is none (*ProtocolError), a time-out (os.ErrDeadlineExceeded),
// an end of the connection (io.ErrUnexpectedEOF) or of a context (its cause),
// breaks the session for good: the connection is closed, nothing more is
// sent, and every later call returns the first such error. No error contains
// a password or what was derived from one.
//
// # Time
//
// Each read and write has a limit, and so have each reply, the rate at which
// a body or listing comes, and the session; see Options. A context that ends
// closes the connection, so it ends any wait at once.
//
// # Concurrency
//
// A Client is for one goroutine at a time; only Close, Err and contexts may
// interfere from others. Commands go out by begin and their replies are read
// in the same order by finish, so that several can be in flight: Ahead sends
// them, and the ordinary methods claim their replies (RFC 2449 section 6.6).
package pop3

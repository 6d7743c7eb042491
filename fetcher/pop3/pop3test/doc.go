// Package pop3test is a POP3 server in memory, on real sockets, that can
// misbehave. It serves tests and demonstrations; it keeps passwords in clear
// and logs every command, so it must not see real ones.
//
// Mailboxes outlast sessions. By default the server follows RFC 1939, 2449, 2595
// and 5034: DELE takes effect at QUIT, dots are stuffed, octets are counted with
// CRLF. A test makes it misbehave with Options.Handle, which sees each command
// first:
//
//	Handle: func(s *pop3test.Session, verb, arg string) bool {
//		if verb == "RETR" && arg == "2" {
//			s.Write("+OK\r\nhalf a mess")
//			s.Close()
//			return true // answered; false leaves the command to the server
//		}
//		return false
//	}
//
// Options.Pipelining says how commands that were sent ahead are treated;
// Server.MostWaiting reports how many there were.
//
// A Message of any size needs no memory if it has an Open function.
package pop3test

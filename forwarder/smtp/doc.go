// Package smtp delivers messages over SMTP (RFC 5321) and LMTP (RFC 2033).
//
// A Pool keeps a few sessions with one server and hands each message to one of
// them. go-smtp opens a session: greeting, EHLO or LHLO, AUTH. From there on
// the mail transaction is put on the wire here, because it has to know exactly
// which octets went out: a message whose body or final dot is cut off must
// never reach its end by accident, and whether it has reached it decides
// between "not delivered" and "nobody knows" (RFC 1047).
//
//	Deliver > take or open a session > fits? > begin > MAIL > RCPT* > DATA > body > dot > outcomes
//
// A session in which anything went wrong below the level of replies is never
// used again, not even for QUIT: its connection is closed as it is.
//
// The package judges nothing: what an outcome means for the message is not its
// business, nor is a second try, save for one: a session that died while it
// was idle is replaced before a single command of the transaction was answered.
package smtp

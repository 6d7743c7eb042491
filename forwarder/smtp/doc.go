// Package smtp delivers messages over SMTP (RFC 5321) and LMTP (RFC 2033).
//
// A Pool keeps a few sessions with one server and hands each message to one of
// them. go-smtp opens a session: greeting, EHLO or LHLO, AUTH. From there on
// the mail transaction is put on the wire here, because it has to know exactly
// which octets went out: a message whose body or final dot is cut off must
// never reach its end by accident, and whether it has reached it decides
// between "not delivered" and "nobody knows" (RFC 1047).
//
//	Deliver > a place > begin > a seat in a session's line > its turn: envelope, message > replies > outcomes
//
// Many transactions are under way at a time. How many, and over how many
// sessions, is up to the queue and its window: it grows from one with the
// backlog, no further than the time of an answer makes it worth while. On one
// session they follow each other: each writes when the one before has written,
// and reads when the one before has read. How far a transaction goes without a
// reply depends on what the server offers (transaction).
//
// A session in which anything went wrong below the level of replies is never
// used again, not even for QUIT: its connection is closed as it is.
//
// The package judges nothing: what an outcome means for the message is not its
// business, nor is a second try, save for one: a message that was not delivered
// because its session had ended before it, by a long rest or at another message,
// takes another session.
package smtp

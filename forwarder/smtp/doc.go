// Package smtp delivers messages over SMTP (RFC 5321) and LMTP (RFC 2033).
//
// A Pool keeps a few sessions with one server and puts each message on one of
// them. go-smtp opens a session: greeting, EHLO or LHLO, AUTH by the mechanisms of
// package login. From then on the mail transaction is written here, because it has
// to know exactly which octets were sent: a message whose body or final dot is cut
// off must never reach its end by accident, and whether it has reached it decides
// between "not delivered" and "nobody knows" (RFC 1047).
//
//	Submit > Wait: admitted > begin > a slot on a session: envelope, message > replies > outcomes > Done
//
// Many transactions are under way at a time. Which goes next, and over which session,
// is decided by package queue; how many, by the window, which grows from one with
// the backlog, as far as the time for an answer makes it worthwhile (package pace).
// While a reply is waited for, those before it are acknowledged at once, because a
// server may hold it back until then (package ack). On one session
// the transactions follow each other in slots: each writes when the one before
// has written, and reads when the one before has read. How far a transaction
// goes without a reply depends on what the server offers (transaction).
//
// A session in which anything went wrong below the level of replies is never
// used again, not even for QUIT: its connection is closed as it is.
//
// The package does not judge: what an outcome means for the message is up to its
// caller, and so is a second try, with one exception. A message that was not
// sent because its session had ended before it is put on another session: after a
// long rest, at another message, where the server wants fewer sessions, or where it
// lost or refused what came too early or by BDAT.
//
// What is learnt of a server that way is in the pool's Facts, each with a date and
// an end. It is in force at once, lasts once it is confirmed, and is taken back by
// what contradicts it.
package smtp

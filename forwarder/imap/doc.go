// Package imap delivers messages into a folder of an IMAP server, by APPEND
// (RFC 9051 6.3.12, RFC 3501 6.3.11).
//
// A Pool keeps a few sessions with one server and puts each message on one of
// them, as package smtp does and by the same package queue:
//
//	Submit > Wait: admitted > the folder and its mark > begin > a slot on a session: APPEND, message > outcome > Done
//
// IMAP can be asked what it has. So begin is given a mark, the end of the folder
// before the message, and Find looks behind it for a message of which nobody knows
// whether it was stored. Confirm reads back at Gmail, which takes a message and may
// keep another one.
//
// The last octet of the literal is what the final dot is to SMTP: what breaks
// before it was sent was not stored (APPEND is atomic), what breaks after it is in
// doubt. A session in which anything went wrong below the level of answers is never
// used again, not even for LOGOUT: its connection is closed as it is. No folder is
// open while messages are appended; to look, folders are opened on another session,
// by EXAMINE. Nothing is ever enabled (ENABLE).
//
// Answers are translated into the codes of SMTP (translate), so that those who
// judge them need not know the protocol. The package does not judge.
//
// The protocol is written here and not taken from go-imap's client, which has no
// deadline while it waits for an answer and five minutes in all for a literal, sends
// none above 4096 octets unasked, tears the connection down for a malformed
// APPENDUID, and does not know Gmail's extensions or binary literals. It does not
// tell which octets of a message were handed to the connection either, and that
// decides between "not stored" and "nobody knows". What is needed of the protocol is
// a dozen commands. In the tests, go-imap's server and Dovecot are the partners.
package imap

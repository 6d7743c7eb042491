// Package fetcher tells the story of one poll: what is in a mailbox, what of
// it is new, and how each new message gets to its destination.
//
// A message goes one way and never back:
//
//	pop3 (CAPA, login, UIDL, LIST) > identify > pop3 RETR > spool
//	  > ledger: sending > forwarder > settle > ledger: outcome > DELE > QUIT > ledger
//
// Poll (poll.go) reads like that line. identify (identify.go) is a pure
// function of a listing and the ledger; settle (settle.go) is the only place
// that says what an answer of the destination means. The package reaches the
// network, the disk and the clock only through what its Options and Account
// hold.
//
// What it never does: delete a message that the ledger does not show as
// forwarded, send anything after a session has broken, or hold a large message
// in memory.
package fetcher

// Package fetcher tells the story of one poll: what is in a mailbox, which of it
// is new, and how each new message gets to its destination.
//
// A message goes one way and never back:
//
//	mailbox.Open (connect .. login, UIDL, LIST) > identify (listing x ledger) > mailbox.Retrieve
//	  > spool > ledger: sending > forwarder > outcome (what the answer means) > ledger: result
//	  > DELE > QUIT > ledger
//
// Read Poll (poll.go) and deliver (deliver.go). Three types have three lifetimes:
// poll is one poll under the account's lease, session one POP3 session of it, and
// delivery one message on its way; the tally is what the deliveries of a poll
// share. The rooms below do the rest: mailbox (one POP3 session), identify and
// outcome (pure decisions), message, spool and retained (octets). The package reaches the
// network, the disk and the clock only through what its Options and Account hold.
//
// What it never does: delete a message that the ledger does not show as
// forwarded, send anything after a session has broken, or hold a large message
// in memory.
package fetcher

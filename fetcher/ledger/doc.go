// Package ledger says what is remembered of each account and each message,
// and which state follows from which. It is plain data and pure functions;
// ledger/sqlite puts it on disk, ledger/ledgertest holds what every such
// store must do.
//
// A message gets its row when it is first acted on: Sending, committed before
// the transaction with the destination begins, then one of the outcomes,
// committed before anything is deleted on the POP3 server. A message without
// a row is new.
//
//	(new) -> Sending -> Forwarded            accepted for every recipient
//	                 -> Deferred             to be tried again
//	                 -> Held                 refused for good; a person decides
//	                 -> Unknown              no reply to the final dot, or a crash
//	(new) -> Skipped                         too large, there before the first run, or imported
//	(new) -> Deferred                        could not be fetched
//	Deferred, Unknown, Held -> Gone          left its server before it was forwarded
package ledger

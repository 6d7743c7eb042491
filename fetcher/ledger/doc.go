// Package ledger defines what is remembered of each account and each message,
// and how states follow each other. It has plain data and pure functions, and
// stores nothing: ledger/sqlite puts it on disk, and ledger/ledgertest tests
// what every such store must do.
//
// A message without a row is new. Its row is committed as Sending before the
// transaction with the destination begins, and with one of the outcomes before
// anything is deleted on the POP3 server.
//
//	(new) -> Sending -> Forwarded            accepted for every recipient
//	                 -> Deferred             to be tried again
//	                 -> Held                 refused for good; the user decides
//	                 -> Unknown              no reply to the final dot, or a crash
//	(new) -> Skipped                         too large, older than the first run, adopted, imported, or skipped by the user
//	(new) -> Deferred                        could not be fetched
//	Deferred, Unknown, Held -> Gone          left its server before it was forwarded
package ledger

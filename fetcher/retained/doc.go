// Package retained keeps whole messages for good: of a server that hides or deletes
// what was retrieved, popferry has the only octets until they are forwarded.
//
// A poll keeps a copy before it says anything else to such a server, and writes the
// row that names it afterwards. It sends the message from the copy, and drops that
// when the row no longer names it. Copies are either files in a folder beside the
// ledger (Folder), or lie in a ledger that several machines share (Ledger).
//
// It decides nothing: which message gets a copy, and which copy may go, is the
// fetcher's business.
package retained

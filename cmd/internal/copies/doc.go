// Package copies looks after retained copies: messages that their server gives only
// once, of which popferry therefore has the only octets until they are forwarded
// (fetcher.Options.CopyDir). A poll sends those of its account. This package finds
// those that no poll sends, because their account is not polled or the ledger does
// not know them, and moves them away when the user gives them up.
//
// It never deletes a file.
package copies

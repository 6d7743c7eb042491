// Package legacy reads the files of fetchmail, getmail and mpop: the accounts
// that they fetch from, and the UIDs of the messages that they have fetched.
//
// Each program has a parser of its own (fetchmail.go, getmail.go, mpop.go, with
// the files that begin like them), and all end in one plain Setup. What has no
// counterpart in popferry becomes a Remark with file and line; nothing that
// stands in such a file is an error but that it cannot be read. Sketch turns a
// Setup into a configuration of popferry's.
//
// The package connects to nothing, runs no command, and a Remark never shows a
// password, nor what may be a part of one.
package legacy

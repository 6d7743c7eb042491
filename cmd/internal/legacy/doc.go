// Package legacy reads the files of fetchmail, getmail, mpop, fdm, Thunderbird and
// InboxBridge: the accounts that they fetch from, and the UIDs of the messages that
// they have fetched.
//
// Each program has its own parser (fetchmail.go, getmail.go, mpop.go, fdm.go,
// thunderbird.go, inboxbridge.go, and the files with these prefixes). All of them
// produce a Setup. What has no counterpart in popferry becomes a Remark with file
// and line. The only error is a file that cannot be read. Setup.Draft turns a Setup
// into a configuration of popferry.
//
// The package opens no connection and runs no command. A Remark never shows a
// password, or what may be a part of one.
package legacy

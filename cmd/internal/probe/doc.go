// Package probe tries a server step by step, as a poll would use it, and reports
// the result of each step. It moves no mail: a mailbox is listed and left as it
// was, an envelope is reset before there is a message, an IMAP server is told of a
// message that does not come, and a folder of this machine gets a file that is removed
// again.
//
// A step that fails is the last one, but for folders. Its error is of the type that a poll would
// return, so package cause has the same words for both. Search finds out more
// about a failure without a password: which other ports of the host answer.
package probe

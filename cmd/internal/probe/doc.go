// Package probe tries a server step by step, as a poll would use it, and tells
// of each step how it went. It moves no mail: a mailbox is listed and left as it
// was, an envelope is taken back before there is a message.
//
// A step that fails is the last one. Its error is of the type that a poll would
// return, so that package cause has the same words for both. What else can be
// found out about a failure without a password is asked of Search: which other
// ports of the host answer.
package probe

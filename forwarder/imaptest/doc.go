// Package imaptest is an IMAP server in memory for tests and trials, as far as
// messages are appended to it and looked for. It can misbehave on demand (Fault), and
// be like servers that do things their own way (Gmail, Exchange, ICloud, Yahoo).
package imaptest

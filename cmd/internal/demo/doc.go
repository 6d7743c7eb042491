// Package demo provides a small World for popferry: a POP3 server with three
// mailboxes and an SMTP server with one inbox. Both are in memory and listen on
// the loopback interface. The SMTP server refuses one message permanently, and
// another one at the first attempt.
package demo

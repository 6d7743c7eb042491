// Package demo is a small world for popferry to work in: a POP3 server with
// three mailboxes and an SMTP server with one inbox, both in memory, both with
// real sockets on the loopback interface. One message is refused there for
// good, one only for now.
package demo

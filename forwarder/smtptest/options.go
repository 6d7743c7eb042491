package smtptest

import (
	"crypto/tls"

	"github.com/popferry/popferry/forwarder"
)

// Options say what kind of server to start. The zero value is an SMTP server on a
// free port of 127.0.0.1 that accepts everything.
type Options struct {
	// Network is "tcp" (the default) or "unix".
	Network string
	// Address to listen on; default: a free port of 127.0.0.1. Required for a
	// Unix socket.
	Address string
	// LMTP speaks RFC 2033.
	LMTP bool
	// TLS, if set, is offered by STARTTLS, or used from the start with Implicit.
	TLS      *tls.Config
	Implicit bool
	// Username and Password, if set, are required by AUTH before MAIL. Without TLS
	// they are accepted in clear. To XOAUTH2 and OAUTHBEARER the password is the
	// access token.
	Username, Password string
	// Mechanisms are those of AUTH; default PLAIN and LOGIN. EXTERNAL, CRAM-MD5,
	// SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2 and OAUTHBEARER can be had, too; others
	// are announced and refused.
	Mechanisms []string

	// MaxSize is announced by SIZE, in octets, and enforced; 0: no limit.
	MaxSize int64
	// UTF8 announces SMTPUTF8.
	UTF8 bool
	// Hide lists extensions that are not announced, such as "PIPELINING" or
	// "CHUNKING". It has no effect behind STARTTLS.
	Hide []string
	// PerConnection is how many messages a connection may have; the MAIL behind
	// them gets 421. 0: no limit.
	PerConnection int
	// Nagle leaves Nagle's algorithm on (RFC 9293 3.7.4), as Postfix does: the second
	// of two replies is not sent before the first one is acknowledged.
	Nagle bool
	// HashOnly keeps only the size and hash of messages, not their octets.
	HashOnly bool

	// Fault, if set, is called at each event and says how to misbehave. It is
	// called from several goroutines.
	Fault func(Event) Fault
}

// Event is a point at which the server can misbehave.
type Event struct {
	// Stage is one of StageHello (EHLO is read and not answered), StageMail,
	// StageRcpt, StageBody (354 is sent, nothing of the body is read) and StageDot
	// (all is read; in LMTP once for each recipient).
	Stage forwarder.Stage
	// Connection counts from 1. Message is the number of the connection's last
	// MAIL among those of all connections, from 1; 0 before it.
	Connection, Message int
	// Size is what that MAIL declared, in octets (RFC 1870); 0: nothing.
	Size int64
	// Address is the sender at StageMail, the recipient at StageRcpt and, in
	// LMTP, at StageDot.
	Address string
	// Data is the message at StageDot, unless Options.HashOnly is set.
	Data []byte
}

// Fault is how to misbehave. The zero value does nothing.
type Fault struct {
	// Code, Enhanced and Text are a reply that refuses; a 421 also ends the
	// connection.
	Code     int
	Enhanced forwarder.EnhancedCode
	Text     string
	// Close ends the connection instead of a reply.
	Close bool
	// Stall stays silent until the server is closed.
	Stall bool
	// After, at StageBody, reads so many octets of the body first.
	After int64
	// Keep, at StageDot, keeps the message nevertheless: the reply is wrong or
	// lost, the message is there.
	Keep bool
}

// harmless reports whether the fault changes nothing.
func (f Fault) harmless() bool { return f.Code == 0 && !f.Close && !f.Stall }

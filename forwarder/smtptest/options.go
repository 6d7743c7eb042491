package smtptest

import (
	"crypto/tls"

	"github.com/popferry/popferry/forwarder"
)

// Options say what kind of server it is. The zero value is an SMTP server on a
// free port of 127.0.0.1 that takes everything.
type Options struct {
	// Network is "tcp" (the default) or "unix".
	Network string
	// Address to listen on; default: a free port of 127.0.0.1. Required for a
	// unix socket.
	Address string
	// LMTP speaks RFC 2033.
	LMTP bool
	// TLS, where set, is offered by STARTTLS, or from the start with Implicit.
	TLS      *tls.Config
	Implicit bool
	// Username and Password, where set, are demanded by AUTH PLAIN or LOGIN
	// before MAIL. Without TLS they are taken in clear.
	Username, Password string

	// MaxSize is announced by SIZE, in octets, and enforced; 0: no limit.
	MaxSize int64
	// UTF8 announces SMTPUTF8.
	UTF8 bool
	// Hide has extensions that are not announced, as "PIPELINING" or "CHUNKING".
	// It can't reach behind STARTTLS.
	Hide []string
	// PerConnection ends each connection with 421 at the MAIL after so many
	// messages; 0: no limit.
	PerConnection int
	// HashOnly keeps no message's octets, only their number and hash.
	HashOnly bool

	// Fault, where set, is asked at each event and may misbehave. It is called
	// from several goroutines.
	Fault func(Event) Fault
}

// Event is a point at which the server can misbehave.
type Event struct {
	// Stage is one of StageHello (after EHLO, its reply not sent), StageMail,
	// StageRcpt, StageBody (354 is sent, nothing of the body is read) and
	// StageDot (all is read; in LMTP once for each recipient).
	Stage forwarder.Stage
	// Connection counts from 1, and so does Message: it is the number of the
	// connection's last MAIL among those of all connections, 0 before it.
	Connection, Message int
	// Address is the sender at StageMail, the recipient at StageRcpt and, in
	// LMTP, at StageDot.
	Address string
}

// Fault is how to misbehave. The zero value: not at all.
type Fault struct {
	// Code, Enhanced and Text are a reply that refuses; a 421 also ends the
	// connection.
	Code     int
	Enhanced forwarder.EnhancedCode
	Text     string
	// Close ends the connection in place of a reply.
	Close bool
	// Stall says nothing more until the server is closed.
	Stall bool
	// After, at StageBody, reads so many octets of the body first.
	After int64
	// Keep, at StageDot, accepts the message all the same: the reply is wrong or
	// lost, the message is there.
	Keep bool
}

// harmless tells that the fault leaves things as they should be.
func (f Fault) harmless() bool { return f.Code == 0 && !f.Close && !f.Stall }

package fetcher

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
)

// Account is one mailbox, and where its mail goes.
type Account struct {
	ID          int64 // of the ledger
	Name        string
	Source      Source
	Policy      identify.Policy
	Destination Destination
	Progress    *Progress // where set, counts in a poll
}

// origin is the account as trace lines name it.
func (a Account) origin() message.Origin {
	return message.Origin{Account: a.Name, Host: a.Source.Host, Username: a.Source.Credentials.Username, Secure: a.Source.Secure}
}

// Source is the POP3 side of an account.
type Source struct {
	Host string // as configured: it stands in the trace line
	Addr string // host and port, for errors
	// Dial returns a connection, TLS done where it is implicit.
	Dial func(context.Context) (net.Conn, error)
	// StartTLS, if set, is used to upgrade the connection by STLS before
	// anything else is said; without it the session ends.
	StartTLS *tls.Config
	// Secure tells that TLS is used, implicit or by STLS.
	Secure      bool
	Credentials pop3.Credentials
	Timeout     time.Duration // for each read and write
	// Hides tells that the server is known not to give a message a second time,
	// whatever it says itself.
	Hides bool
	// Trace, where set, is told the dialogue, as pop3.Options has it.
	Trace func(sent bool, line string)
}

// slack is by what factor listed sizes may be wrong.
const slack = 4

// bound is how many octets of a message of that size are taken before it counts
// as one without an end.
func bound(p identify.Policy, size int64) int64 {
	most := p.MaxSize
	if most <= 0 {
		most = 1 << 40
	}
	return max(most, slack*size)
}

// waste is how many of a message that is read only to be thrown away, or for its
// header.
func waste(p identify.Policy, size int64) int64 {
	if p.MaxSize <= 0 {
		const least = 64 << 20 // where no size is listed, or a wrong one
		return max(least, slack*size)
	}
	return bound(p, size)
}

// Destination is where the mail of an account goes.
type Destination struct {
	Name      string
	Forwarder Forwarder
	// Sender is the envelope sender; Original takes the message's Return-Path
	// in its place where it has one.
	Sender     string
	Original   bool
	Recipients []string
	// OnReject is what becomes of refused messages; Quarantine is where to, if
	// it is that.
	OnReject   Reject
	Quarantine Quarantiner
}

// Forwarder hands messages over.
type Forwarder interface {
	// Deliver returns one outcome for each recipient, in order. Its error is
	// for faults of our own (ctx is done, begin failed, the body could not be
	// read); nothing was delivered then. begin is called once, when a session
	// is ready and before the first command of the transaction: what it does
	// is on disk before anything is sent.
	Deliver(ctx context.Context, m *forwarder.Message, begin func(context.Context) error) ([]forwarder.Outcome, error)
	// Workers is how many calls of Deliver are useful at once.
	Workers() int
	// Preconnect tells that messages are about to come.
	Preconnect()
}

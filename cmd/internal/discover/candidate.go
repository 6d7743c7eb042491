package discover

import (
	"fmt"
	"net"
	"strconv"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// Protocol is what a server is asked to speak.
type Protocol uint8

const (
	// POP3 is how mail is fetched.
	POP3 Protocol = iota
	// Submission is SMTP with a login (RFC 6409, RFC 8314).
	Submission
	// LMTP is how mail is handed to a server with mailboxes (RFC 2033).
	LMTP
	// IMAP is how mail is put into a folder of a mailbox (RFC 9051 6.3.12).
	IMAP
)

// Server is where to connect, and how it encrypts.
type Server struct {
	Host string // name or address, or unix:/path of a socket
	Port int    // 0 for a socket
	TLS  dial.Mode
}

// Addr is the server's host:port, or unix:/path.
func (s Server) Addr() string {
	if s.Port == 0 {
		return s.Host
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// String is the server in words.
func (s Server) String() string {
	switch {
	case s.Port == 0:
		return s.Addr()
	case s.TLS == dial.Implicit:
		return s.Addr() + ", TLS from the start"
	case s.TLS == dial.StartTLS:
		return s.Addr() + ", STARTTLS"
	}
	return s.Addr() + ", no TLS"
}

// Candidate is a server that may be the one.
type Candidate struct {
	Server
	// Pin is the only certificate that is accepted, as in tls_pin; "": by its chain.
	Pin string
	// Usernames are what to log in as, the likeliest first.
	Usernames []string
	// From is the source that named it, such as "the autoconfig of
	// example.net" or "a guess".
	From string
	// Guessed: no source named it.
	Guessed bool
	// Foreign: somebody else named it, neither the user nor popferry. Such servers
	// and guessed ones are subject to Rules.
	Foreign bool
	// Untrusted: its name comes from the DNS and is not within the address's
	// domain, so no password may go there before the user has confirmed it.
	Untrusted bool
	// TokenOnly: logins there take OAuth2 access tokens and no passwords.
	TokenOnly bool
}

// Reply is the result of asking one source.
type Reply struct {
	Who  string
	Said string
}

// Found is what was found for an address.
type Found struct {
	Provider   *provider.Provider // that the address belongs to; nil: not known
	POP3       []Candidate
	Submission []Candidate
	IMAP       []Candidate
	Replies    []Reply // in the order of trust

	leftOut int // servers that are not tried
}

// Servers are the candidates for a protocol. LMTP servers have to be named.
func (f Found) Servers(p Protocol) []Candidate {
	switch p {
	case POP3:
		return f.POP3
	case Submission:
		return f.Submission
	case IMAP:
		return f.IMAP
	case LMTP:
	}
	return nil
}

// add appends the candidates that are new.
func (f *Found) add(o findings) {
	if f.Provider == nil {
		f.Provider = o.provider
	}
	f.POP3 = appendNew(f.POP3, o.pop3)
	f.Submission = appendNew(f.Submission, o.submission)
	f.IMAP = appendNew(f.IMAP, o.imap)
	f.leftOut += o.leftOut
}

// findings are what one source names.
type findings struct {
	provider               *provider.Provider // nil: not known
	pop3, submission, imap []Candidate
	leftOut                int // of those that it names
}

// servers are the candidates for a protocol.
func (o findings) servers(p Protocol) []Candidate {
	return Found{POP3: o.pop3, Submission: o.submission, IMAP: o.imap}.Servers(p)
}

// summary is the findings in a few words.
func (o findings) summary() string {
	said := fmt.Sprintf("names %d for POP3, %d for IMAP, %d for sending", len(o.pop3), len(o.imap), len(o.submission))
	if len(o.pop3)+len(o.submission)+len(o.imap) == 0 {
		said = "names no server for POP3, IMAP or sending with TLS"
	}
	if o.leftOut > 0 {
		said += fmt.Sprintf("; left out %d on other ports than those of mail, or beyond the first %d hosts", o.leftOut, maxHosts)
	}
	return said
}

func appendNew(list, more []Candidate) []Candidate {
next:
	for _, c := range more {
		for _, known := range list {
			if known.Server == c.Server {
				continue next
			}
		}
		list = append(list, c)
	}
	return list
}

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
	// Submission is SMTP for those who log in (RFC 6409, RFC 8314).
	Submission
	// LMTP is how mail is handed to a server that keeps mailboxes (RFC 2033).
	LMTP
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
	// Usernames are what a person may be called there, the likeliest first.
	Usernames []string
	// From tells who named it, as "autoconfig.example.net" or "a guess".
	From string
	// Guess: nobody named it.
	Guess bool
	// Foreign: its name comes from the DNS and is not within the address's
	// domain, so no password may go there before a person has agreed.
	Foreign bool
	// TokenOnly: logins there take OAuth2 access tokens and no passwords.
	TokenOnly bool
}

// Reply is what came of asking somebody for candidates.
type Reply struct {
	Who  string
	Said string
}

// Found is what was found for an address. What has no candidates was named by
// nobody.
type Found struct {
	Provider   *provider.Provider // whose customer the address's owner is; nil: not known
	POP3       []Candidate
	Submission []Candidate
	Replies    []Reply // in the order of trust
}

// add appends candidates that were not named before.
func (f *Found) add(o offer) {
	if f.Provider == nil {
		f.Provider = o.provider
	}
	f.POP3 = appendNew(f.POP3, o.pop3)
	f.Submission = appendNew(f.Submission, o.submission)
}

// offer is what one source names.
type offer struct {
	provider         *provider.Provider // nil: none that is known
	pop3, submission []Candidate
}

// said is the offer in a few words.
func (o offer) said() string {
	if len(o.pop3)+len(o.submission) == 0 {
		return "names no server for POP3 or for sending with TLS"
	}
	return fmt.Sprintf("names %d for POP3, %d for sending", len(o.pop3), len(o.submission))
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

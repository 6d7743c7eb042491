package legacy

import (
	"slices"
	"strconv"
)

// rcPoll is a mailbox in a fetchmailrc, or the defaults.
type rcPoll struct {
	Place
	from   int // the line from which on everything is about it
	skip   bool
	server rcServer
	user   rcUser
}

// rcServer has the options of the server.
type rcServer struct {
	name, via, proto, port, auth string
	timeout, interval            string
	plugin, plugout, device      string
	esmtpName                    string
	esmtpPassword                Secret
	envelope, qvirtual           string // of a mailbox for a domain
	envelopeSkip                 int    // how many fields are passed over
	localDomains, aka            []string
	dns                          bool
	postmaster                   string // a global option
}

// rcUser has the options of one user.
type rcUser struct {
	remote      string
	password    Secret
	names       []string // local names; a mapping is server=local
	inherited   bool     // the names are from the defaults
	keep, ssl   bool
	unchecked   bool    // no sslcertck
	sslProto    *string // nil: not set
	tls         TLS     // files and names only
	smtpHosts   []string
	smtpAddress string
	smtpName    string
	lmtp        bool
	mda         string // the option for delivery without a server
	agent       string // its command
	limit       string
	most        string // messages a poll
}

// setEnvelope sets the field that names the recipient, perhaps after the number of
// such fields to pass over.
func (s *rcServer) setEnvelope(args []string) {
	s.envelopeSkip = 0
	if n, err := strconv.Atoi(args[0]); err == nil && len(args) > 1 {
		s.envelopeSkip, args = min(max(n, 0), 999), args[1:]
	}
	s.envelope = args[0]
}

// addNames adds local names. They replace those of the defaults.
func (u *rcUser) addNames(names []string) {
	if u.inherited {
		u.names, u.inherited = nil, false
	}
	u.names = slices.Concat(u.names, names)
}

// rcFile is a parsed fetchmailrc.
type rcFile struct {
	polls      []rcPoll
	daemon     string // seconds
	idfile     string
	postmaster string
}

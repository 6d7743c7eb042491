package legacy

import "slices"

// rcPoll is a mailbox of a fetchmailrc, or the defaults of all.
type rcPoll struct {
	Place
	skip   bool
	server rcServer
	user   rcUser
}

// rcServer is what an entry says of the server.
type rcServer struct {
	name, via, proto, port, auth string
	timeout, interval            string
	esmtpName                    string
	esmtpPassword                Secret
}

// rcUser is what it says of one user there.
type rcUser struct {
	remote      string
	password    Secret
	names       []string // local ones; server=local is one with a =
	inherited   bool     // the names are those of the defaults
	keep, ssl   bool
	unchecked   bool    // no sslcertck
	sslProto    *string // nil: not said
	tls         TLS     // files and names only
	smtpHosts   []string
	smtpAddress string
	smtpName    string
	lmtp        bool
	mda         string // a way of delivery that is no server
	limit       string
}

// addNames adds local names. Those of the defaults are for users without any.
func (u *rcUser) addNames(names []string) {
	if u.inherited {
		u.names, u.inherited = nil, false
	}
	u.names = slices.Concat(u.names, names)
}

// rcFile is what a fetchmailrc says, before any of it is given a meaning.
type rcFile struct {
	polls  []rcPoll
	daemon string // seconds
	idfile string
}

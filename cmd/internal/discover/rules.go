package discover

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// maxHosts is how many hosts one source may name for each protocol. Providers name
// one or two.
const maxHosts = 5

// Rules say which servers are tried that the user has not named: anybody can set up
// a domain whose autoconfig and DNS name any host and port. The zero value is for
// all but tests, whose servers are on this machine.
type Rules struct {
	// Port reports whether a port is tried; default: only the registered ones.
	Port func(Protocol, int) bool
	// Address returns why there is no connection to an address; nil: there is.
	// guessed is for hosts that only popferry has thought of, within the domain of
	// the user's address. Default: only public addresses, and private ones for
	// guesses. It is asked as late as at connect, whatever the name meant before.
	Address func(a netip.Addr, guessed bool) error
}

func (r Rules) withDefaults() Rules {
	if r.Port == nil {
		r.Port = wellKnown
	}
	if r.Address == nil {
		r.Address = usualAddress
	}
	return r
}

// MailPort reports whether servers of a protocol are tried on a port.
func (r Rules) MailPort(p Protocol, port int) bool { return r.withDefaults().Port(p, port) }

// wellKnown reports whether a port is one that servers of this protocol have
// (RFC 8314 section 7, RFC 5321 section 4.5.4.2).
func wellKnown(p Protocol, port int) bool {
	switch p {
	case POP3:
		return port == 995 || port == 110
	case IMAP:
		return port == 993 || port == 143
	case LMTP:
		return port == 24 // RFC 2033 section 5 wants any but 25, and this one is for private mail systems
	case Submission:
	}
	return port == 465 || port == 587 || port == 25
}

// special are address ranges (RFC 6890) that are public by their form and lead
// nowhere, or to what nobody's mail server is.
func special() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::/96"), netip.MustParsePrefix("fec0::/10"),
	}
}

// shared is the range of carriers' networks (RFC 6598), where some have their own
// machines too.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// translated is where IPv6-only networks have IPv4 (RFC 6052 section 2.1).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// usualAddress is the default of Rules.Address.
func usualAddress(a netip.Addr, guessed bool) error {
	to := a.Unmap().WithZone("")
	if translated.Contains(to) {
		octets := to.As16()
		to, _ = netip.AddrFromSlice(octets[12:])
	}
	switch {
	case !to.IsGlobalUnicast(), slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(to) }):
		return &addressError{a, "an address of this machine or its link, or no host's"}
	case (to.IsPrivate() || shared.Contains(to)) && !guessed:
		return &addressError{a, "an address of a private network"}
	}
	return nil
}

// addressError: there is no connection to such an address.
type addressError struct {
	addr netip.Addr
	is   string
}

func (e *addressError) Error() string {
	return fmt.Sprintf("%v is %s; popferry connects there only if you name the server", e.addr, e.is)
}

// dialer makes the connections to servers that the user has not named.
func (r Rules) dialer(guessed bool) *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return r.Address(to.Addr(), guessed)
	}}
}

// limit leaves out what a source names beyond what the rules allow.
func (r Rules) limit(o *findings) {
	keep := func(p Protocol, list []Candidate) (kept []Candidate) {
		var hosts []string
		for _, c := range list {
			if c.Foreign && !slices.Contains(hosts, c.Host) {
				hosts = append(hosts, c.Host)
			}
			if c.Foreign && (!r.Port(p, c.Port) || slices.Index(hosts, c.Host) >= maxHosts) {
				o.leftOut++
				continue
			}
			kept = append(kept, c)
		}
		return kept
	}
	o.pop3, o.submission, o.imap = keep(POP3, o.pop3), keep(Submission, o.submission), keep(IMAP, o.imap)
}

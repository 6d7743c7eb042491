package discover

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/provider"
)

// Hint is what the user said about a server. Only the host is required.
type Hint struct {
	Host string // name or address, or unix:/path of a socket
	Port int
	TLS  *dial.Mode
}

// Candidates are the servers that a hint can mean, with implicit TLS first
// where the port leaves it open (RFC 8314 sections 3.2 and 3.3). One without
// TLS is among them only if the hint says so, or if it is on this machine and
// is not for POP3.
func (h Hint) Candidates(p Protocol, a Address) []Candidate {
	var list []Candidate
	for _, s := range h.servers(p) {
		list = append(list, Candidate{Server: s, Usernames: a.usernames(), From: "named by you"})
	}
	return list
}

func (h Hint) servers(p Protocol) []Server {
	if h.IsSocket() {
		return []Server{{Host: h.Host, TLS: dial.None}}
	}
	if h.TLS == nil && h.Port == 0 {
		if known := h.preset(p); len(known) > 0 {
			return known
		}
	}
	var list []Server
	for _, mode := range h.modes(p) {
		if port := cmp.Or(h.Port, usualPort(p, mode)); port != 0 {
			list = append(list, Server{Host: h.Host, Port: port, TLS: mode})
		}
	}
	return list
}

// IsSocket reports whether the host is a socket in the file system.
func (h Hint) IsSocket() bool { return strings.HasPrefix(h.Host, "unix:") }

// preset are the servers with that host among the presets.
func (h Hint) preset(p Protocol) []Server {
	known, _ := provider.ForHost(h.Host)
	var servers []Server
	for _, c := range preset(known, Address{}).servers(p) {
		if strings.EqualFold(c.Host, h.Host) {
			servers = append(servers, c.Server)
		}
	}
	return servers
}

func (h Hint) modes(p Protocol) []dial.Mode {
	switch {
	case h.TLS != nil:
		return []dial.Mode{*h.TLS}
	case h.Port != 0 && h.Port == usualPort(p, dial.Implicit):
		return []dial.Mode{dial.Implicit}
	case p != POP3 && h.isLocal():
		return []dial.Mode{dial.Implicit, dial.StartTLS, dial.None}
	}
	return []dial.Mode{dial.Implicit, dial.StartTLS}
}

// isLocal reports whether the host is this machine, where no network is used.
func (h Hint) isLocal() bool {
	ip, err := netip.ParseAddr(h.Host)
	return strings.EqualFold(h.Host, "localhost") || err == nil && ip.IsLoopback()
}

// usualPort is the registered port of a protocol; 0: it has none.
func usualPort(p Protocol, m dial.Mode) int {
	switch {
	case p == POP3 && m == dial.Implicit:
		return 995
	case p == POP3:
		return 110
	case p == IMAP && m == dial.Implicit:
		return 993
	case p == IMAP:
		return 143
	case p == LMTP:
		return 0 // RFC 2033 section 5 wants any but 25, and none is usual
	case m == dial.Implicit:
		return 465
	case m == dial.StartTLS:
		return 587
	}
	return 25
}

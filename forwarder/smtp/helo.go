package smtp

import (
	"net"
	"net/netip"
	"os"
	"strings"
)

// heloName is what the client calls itself in EHLO or LHLO (RFC 5321 4.1.1.1,
// 4.1.3): name, or else the host's name, if that is a domain, and otherwise
// the address literal of the connection's own end.
func heloName(name string, local net.Addr) string {
	if name == "" {
		// An error leaves the name empty, which is not a domain either.
		name, _ = os.Hostname()
	}
	if name = strings.TrimSuffix(name, "."); isDomain(name) {
		return name
	}
	bare := strings.TrimPrefix(strings.Trim(name, "[]"), "IPv6:")
	if ip, err := netip.ParseAddr(bare); err == nil {
		return literal(ip)
	}
	if tcp, ok := local.(*net.TCPAddr); ok {
		return literal(tcp.AddrPort().Addr())
	}
	return "localhost" // a Unix socket: both ends are this host
}

// literal writes an address literal (RFC 5321 4.1.3).
func literal(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// isDomain reports whether name consists of the labels of RFC 5321 4.1.2 and is
// not an address. Servers refuse the underscore that many host names have.
func isDomain(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
				letters = true
			case '0' <= c && c <= '9', c == '-':
			default:
				return false
			}
		}
	}
	return letters
}

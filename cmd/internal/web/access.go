package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Access says under which names the pages answer, and whom they believe.
type Access struct {
	// Hosts are the host names under which the pages are reached, in lower case,
	// besides localhost and IP addresses.
	Hosts []string
	// TrustedProxies are believed in what X-Forwarded-For says.
	TrustedProxies []netip.Prefix
}

// knows reports whether a Host field names these pages. Anybody can have a name of
// their own lead here (DNS rebinding), and browsers would let their site read the
// answers. Nobody can have an address or localhost lead elsewhere. No browser
// leaves the field empty; simple probes by HTTP/1.0 do.
func (a Access) knows(field string) bool {
	name := hostOf(field)
	if name == "" || name == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil || slices.Contains(a.Hosts, name)
}

// hostOf returns the host of a Host field in lower case, without port and brackets.
func hostOf(field string) string {
	host := field
	if h, _, err := net.SplitHostPort(field); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// client returns the address that a request comes from: the peer, or if that is a
// trusted proxy whom it asks for, which is the last address in X-Forwarded-For
// that no trusted proxy has. It is not ok if the peer names clients and is not
// trusted.
func (a Access) client(r *http.Request) (client string, ok bool) {
	peer, err := parseHop(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr, true
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if len(r.Header.Values("X-Forwarded-For")) == 0 {
		return peer.String(), true
	}
	if !a.trusts(peer) {
		return peer.String(), false
	}
	for _, hop := range slices.Backward(hops) {
		ip, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			break // whatever stands before it is not believed either
		}
		if peer = ip; !a.trusts(ip) {
			break
		}
	}
	return peer.String(), true
}

func (a Access) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(a.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// parseHop reads an address, with a port or without.
func parseHop(s string) (netip.Addr, error) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone(""), nil
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return ip.Unmap().WithZone(""), err
}

// isProbe reports whether a request is a health probe from another machine. They
// come under any name, and learn nothing but a word.
func isProbe(r *http.Request) bool {
	if !probePath(r.URL.Path) {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return local == nil || !local.IP.IsLoopback()
}

func probePath(path string) bool { return path == "/healthz" || path == "/readyz" }

// privateKey is the key of isPrivate's answer in a request's context.
type privateKey struct{}

// isPrivate reports whether a request came a way on which nobody else can read: from
// this machine itself, or over TLS that popferry ends. What a proxy passes on may have
// crossed a network before.
func isPrivate(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	for _, field := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(field) != "" {
			return false
		}
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	peer, err := parseHop(r.RemoteAddr)
	return ok && local.IP.IsLoopback() && err == nil && peer.IsLoopback()
}

// private reports what isPrivate has found of a request, before its address was
// replaced by that of the client.
func private(r *http.Request) bool {
	is, _ := r.Context().Value(privateKey{}).(bool)
	return is
}

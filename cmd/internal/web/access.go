package web

import (
	"fmt"
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

// misdirected answers a request under a name that is not ours with 421
// (RFC 9110, section 15.5.20).
func (h *Handler) misdirected(w http.ResponseWriter, r *http.Request) {
	const most = 253 // characters of a host name
	name := hostOf(r.Host)
	name = name[:min(len(name), most)]
	h.unknownHost.Do(func() {
		h.Log.Warn("the status page refuses requests under a host name that is not its own; this is logged once", "host", name, "from", r.RemoteAddr,
			"remedy", "If it is a name of the page, add it to web.hosts.")
	})
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusMisdirectedRequest)
	_, _ = fmt.Fprintf(w, "popferry does not answer to the host name %+q. If that is a name of this page, add it to the\n"+
		"configuration, as in web: {hosts: [mail.example.org]}. localhost and IP addresses need no entry.\n", name)
}

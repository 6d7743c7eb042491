package config

import (
	"net"
	"slices"
	"strings"
)

// lacksAll tells whether all of the keys are missing.
func (d draft) lacksAll(names ...string) bool {
	for _, name := range names {
		if !d.lacks(name) {
			return false
		}
	}
	return true
}

func (d draft) require(name string) {
	if d.lacks(name) {
		d.key(name).fail("missing")
	}
}

// checkPair reports a key that is without its other half.
func (d draft) checkPair(name string, others ...string) {
	if d.has(name) && d.lacksAll(others...) {
		d.key(name).fail("needs %s", strings.Join(others, " or "))
	}
	for _, key := range others {
		if d.has(key) && d.lacks(name) {
			d.key(key).fail("needs %s", name)
		}
	}
}

// checkSecret reports more than one way to log in. What comes from defaults
// was checked there.
func (d draft) checkSecret() {
	first := ""
	for _, name := range secretKeys() {
		switch {
		case !d.own(name):
		case first != "":
			d.key(name).fail("clashes with %s; one of them is enough", first)
		default:
			first = name
		}
	}
}

// checkToken reports a token that the way to log in has no use for.
func (d draft) checkToken(s *Server) {
	if s.Token && !slices.Contains(tokenAuth(), s.Auth) {
		d.key("token_command").fail("goes with auth: %s", strings.Join(tokenAuth(), ", "))
	}
}

// checkTLS reports keys for TLS where there is none, and warns of that.
func (d draft) checkTLS(s *Server) {
	if s.TLS.Mode != TLSNone {
		d.checkPair("tls_cert_file", "tls_key_file")
		return
	}
	for _, name := range []string{"tls_ca_file", "tls_pin", "tls_server_name", "tls_min", "tls_cert_file", "tls_key_file"} {
		if d.own(name) {
			d.key(name).fail("clashes with tls: none")
		}
	}
	if s.Host != "" && !loopback(s.Host) {
		d.key("tls").warn("none: password and mail go to %s unencrypted", s.Host)
	}
}

// loopback tells whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// checkDomains reports addresses without a domain, which only LMTP can take.
func (d draft) checkDomains(name, protocol string, addresses ...string) {
	for _, a := range addresses {
		bare := a != "" && a != SenderOriginal && a != SenderNull && !strings.Contains(a, "@")
		if bare && protocol != ProtocolLMTP && d.has(name) {
			d.key(name).fail("%q has no domain", a)
		}
	}
}

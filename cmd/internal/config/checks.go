package config

import (
	"net"
	"slices"
	"strings"
)

// lacksAll reports whether all of the keys are missing.
func (d mapping) lacksAll(names ...string) bool {
	for _, name := range names {
		if !d.lacks(name) {
			return false
		}
	}
	return true
}

func (d mapping) require(name string) {
	if d.lacks(name) {
		d.key(name).fail("missing")
	}
}

// checkPair reports a key whose other half is missing.
func (d mapping) checkPair(name string, others ...string) {
	if d.has(name) && d.lacksAll(others...) {
		d.key(name).fail("requires %s", strings.Join(others, " or "))
	}
	for _, key := range others {
		if d.has(key) && d.lacks(name) {
			d.key(key).fail("requires %s", name)
		}
	}
}

// checkSecret reports more than one password or token. Those from defaults were
// checked there.
func (d mapping) checkSecret() { d.checkOnly(secretKeys()...) }

// checkOnly reports more than one of these keys, apart from those from defaults.
func (d mapping) checkOnly(names ...string) {
	first := ""
	for _, name := range names {
		switch {
		case !d.own(name):
		case first != "":
			d.key(name).fail("conflicts with %s; set only one of them", first)
		default:
			first = name
		}
	}
}

// checkAuth reports a token that auth cannot use, and a certificate that is missing.
func (d mapping) checkAuth(s *Server) {
	for _, name := range tokenKeys() {
		if d.has(name) && !slices.Contains(tokenAuth(), s.Auth) {
			d.key(name).fail("can be used only with auth: %s", strings.Join(tokenAuth(), ", "))
		}
	}
	if s.Auth == AuthExternal && d.lacks("tls_cert_file") {
		d.key("auth").fail("external requires tls_cert_file and tls_key_file")
	}
}

// checkTLS reports TLS keys next to tls: none, and warns of unencrypted servers
// outside this machine.
func (d mapping) checkTLS(s *Server) {
	if s.TLS.Mode != TLSNone {
		d.checkPair("tls_cert_file", "tls_key_file")
		return
	}
	for _, name := range []string{"tls_ca_file", "tls_pin", "tls_server_name", "tls_min", "tls_ciphers", "tls_cert_file", "tls_key_file"} {
		if d.own(name) {
			d.key(name).fail("conflicts with tls: none")
		}
	}
	if s.Host != "" && !loopback(s.Host) {
		d.key("tls").warn("none: password and mail go to %s unencrypted", s.Host)
	}
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// checkDomains reports addresses without a domain, which only LMTP accepts.
func (d mapping) checkDomains(name, protocol string, addresses ...string) {
	for _, a := range addresses {
		bare := a != "" && a != SenderOriginal && a != SenderNull && !strings.Contains(a, "@")
		if bare && protocol != ProtocolLMTP && d.has(name) {
			d.key(name).fail("%q has no domain", a)
		}
	}
}

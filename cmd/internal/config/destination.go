package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode"

	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/forwarder/maildir"
)

// resolve completes a destination. all is the route to servers without their own.
func (d *forwardMapping) resolve(all Route) {
	d.checkMeaning(d.Protocol, meaningless(d.Protocol))
	if d.Protocol == ProtocolMaildir {
		d.resolveMaildir()
	} else {
		d.resolveServer()
		d.resolveRoute(&d.Server, all)
	}
	switch {
	case !d.Stores():
		d.resolveEnvelope()
	case d.Folder == "":
		d.Folder = FolderInbox
	}
}

// serverKeyNames are the keys that say how to reach a server.
func serverKeyNames() []string {
	return append([]string{
		"provider", "host", "port", "tls", "tls_ca_file", "tls_pin", "tls_server_name", "tls_min", "tls_ciphers", "tls_cert_file", "tls_key_file",
		"username", "password", "password_env", "password_file", "password_command", "token_command", "oauth2", "auth", "helo", "connections", "in_flight", "timeout",
	}, routeKeyNames()...)
}

// meaningless are the keys of a destination that mean nothing to a protocol.
func meaningless(protocol string) []string {
	switch protocol {
	case ProtocolIMAP:
		return []string{"path", "helo", "from", "to", "x_forwarded_to"}
	case ProtocolMaildir:
		return append(serverKeyNames(), "from", "to", "x_forwarded_to", "rate")
	case ProtocolLMTP:
		return []string{"provider", "path", "folder", "create_folder", "spam_folder"}
	}
	return []string{"path", "folder", "create_folder", "spam_folder"}
}

// checkMeaning reports keys that mean nothing to a protocol.
func (d mapping) checkMeaning(protocol string, names []string) {
	for _, name := range names {
		switch {
		case !d.own(name):
		case name == "from" || name == "to":
			d.key(name).fail("conflicts with protocol: %s, which puts mail into a folder: there is no envelope; remove it", protocol)
		default:
			d.key(name).fail("conflicts with protocol: %s; remove it", protocol)
		}
	}
}

// resolveServer completes how to reach and use the server of a destination.
func (d *forwardMapping) resolveServer() {
	d.resolveProvider()
	if d.lacks("provider") {
		d.require("host")
	}
	if d.Name == "" {
		d.Name = d.Host
	}
	d.checkSecret()
	d.checkAuth(&d.Server)
	d.resolveOAuth2(&d.Server, d.Protocol)
	switch {
	case d.Auth == AuthExternal:
		d.require("username")
	case d.Protocol == ProtocolIMAP:
		d.checkMailbox()
	default:
		d.checkPair("username", secretKeys()...)
	}
	if strings.HasPrefix(d.Host, unixPrefix) {
		d.resolveSocket()
		return
	}
	if d.TLS.Mode == "" {
		d.TLS.Mode = defaultTLS(d.Protocol)
	}
	d.checkTLS(&d.Server)
	d.resolvePort()
}

// defaultTLS is how connections are encrypted where tls does not say it.
func defaultTLS(protocol string) string {
	if protocol == ProtocolIMAP {
		return TLSImplicit
	}
	return TLSStart
}

// checkMailbox reports an IMAP mailbox that cannot be logged in to.
func (d *forwardMapping) checkMailbox() {
	d.require("username")
	if d.lacksAll(secretKeys()...) {
		d.key("password").fail("missing; set password, password_env, password_file, password_command, token_command or oauth2")
	}
}

// resolveMaildir completes a destination that is a folder of this machine.
func (d *forwardMapping) resolveMaildir() {
	d.require("path")
	if d.Name == "" {
		d.Name = d.Path
	}
	d.checkFolder("folder", d.Protocol, d.Folder)
	d.checkFolder("spam_folder", d.Protocol, d.SpamFolder)
}

// CheckFolder reports a folder that the destination cannot have.
func (d Destination) CheckFolder(name string) error {
	switch {
	case name == "" || strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("%q is not a folder", name)
	case d.Protocol != ProtocolMaildir:
		return nil
	}
	if err := maildir.CheckFolder(name); err != nil {
		return fmt.Errorf("%q %w", name, err)
	}
	return nil
}

// CheckAddress reports what is not the address of a recipient.
func (d Destination) CheckAddress(address string) error {
	if !isAddress(address) || !strings.Contains(address, "@") && d.Protocol != ProtocolLMTP {
		return fmt.Errorf("%q is not a mail address", address)
	}
	return nil
}

// checkFolder reports the name of a folder, the value of key, that a Maildir cannot
// have, or that lies outside of it.
func (d mapping) checkFolder(key, protocol, folder string) {
	if protocol != ProtocolMaildir || folder == "" {
		return
	}
	if err := maildir.CheckFolder(folder); err != nil {
		d.key(key).fail("%q %v", folder, err)
	}
}

func (d *forwardMapping) resolveSocket() {
	if d.Protocol != ProtocolLMTP {
		d.key("host").fail("a unix socket requires protocol: lmtp")
	}
	if d.has("port") {
		d.key("port").fail("a unix socket has no port")
	}
	if d.has("tls") && d.TLS.Mode != TLSNone {
		d.key("tls").fail("a unix socket has no TLS")
	}
	d.TLS.Mode = TLSNone
}

func (d *forwardMapping) resolvePort() {
	switch {
	case d.Port != 0:
	case d.Protocol == ProtocolLMTP:
		d.key("port").fail("missing; LMTP has no standard port (24 is common)")
	case d.Protocol == ProtocolIMAP && d.TLS.Mode == TLSImplicit:
		d.Port = 993
	case d.Protocol == ProtocolIMAP:
		d.Port = 143
	case d.TLS.Mode == TLSImplicit:
		d.Port = 465
	case d.TLS.Mode == TLSStart:
		d.Port = 587
	default:
		d.Port = 25
	}
}

// resolveEnvelope completes the envelope of a protocol that has one.
func (d *forwardMapping) resolveEnvelope() {
	if d.From == "" {
		d.From = d.defaultFrom()
	}
	d.checkDomains("to", d.Protocol, d.To...)
	d.checkDomains("from", d.Protocol, d.From)
}

// defaultFrom returns the envelope sender that the server most likely accepts.
func (d *forwardMapping) defaultFrom() string {
	switch {
	case d.Protocol == ProtocolLMTP:
		return SenderOriginal
	case strings.Contains(d.Username, "@") && isAddress(d.Username):
		return d.Username
	case len(d.To) > 0:
		return d.To[0]
	}
	return ""
}

// checkEnvelope reports keys of an account that mean nothing to the protocol of
// its destination.
func (a *accountMapping) checkEnvelope(protocol string) {
	if stores(protocol) {
		a.checkMeaning(protocol, []string{"from", "to"})
		if a.Tag == TagPlus {
			a.key("tag").fail("plus conflicts with protocol: %s, which has no recipient; use tag: header, or folder", protocol)
		}
	} else {
		a.checkMeaning(protocol, []string{"folder"})
	}
}

// resolveFolder fills in the folder for an account's mail.
func (a *accountMapping) resolveFolder(d *forwardMapping) {
	a.To, a.From = nil, ""
	a.checkFolder("folder", d.Protocol, a.Folder)
	if a.Folder == "" {
		a.Folder = d.Folder
	}
	if d.Protocol == ProtocolIMAP && sameMailbox(a.Server, d.Server) {
		a.key("username").fail("this mailbox is also the one that its mail would go to (forward[%s]): each message would come back at the next poll, without end; use another account or destination", d.Name)
	}
}

// sameMailbox reports whether two logins lead to one mailbox, as far as that can be
// told: the same user at one host, or at one provider.
func sameMailbox(a, b Server) bool {
	return a.Username != "" && strings.EqualFold(a.Username, b.Username) && sameServer(a.Host, b.Host)
}

// sameServer reports whether two hosts are one, or one provider's.
func sameServer(a, b string) bool {
	p, known := provider.ForHost(a)
	q, also := provider.ForHost(b)
	return strings.EqualFold(a, b) || known && also && p.Name == q.Name
}

// checkLoop reports a mailbox whose own address is one of its recipients, if it is
// certain that what is sent there comes back to it. A user name that is an address need
// not be where mail for that goes: the domain may be moving to another server, and a
// server of the user's own may have a mailbox of that name.
func (a *accountMapping) checkLoop(d *forwardMapping) {
	own := a.Username
	i := slices.IndexFunc(a.To, func(to string) bool { return strings.EqualFold(to, own) }) // as in sameMailbox
	if !strings.Contains(own, "@") || i < 0 || !public(a.Host) || !public(d.Host) {
		return
	}
	p, known := provider.ForHost(a.Host)
	q, its := provider.ForAddress(own)
	owns := known && its && p.Name == q.Name
	if owns && d.Protocol == ProtocolSMTP || sameServer(a.Host, d.Host) {
		a.key("username").fail("this is also the address that its mail would go to (%s, by forward[%s]): each message would come back at the next poll, without end; use another account or address", a.To[i], d.Name)
	}
}

// public reports whether a host is a name or an address on the Internet, as far as can
// be told: not a tunnel's end, nor a server of a private network.
func public(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback() && !ip.IsPrivate()
	}
	return strings.Contains(host, ".") && !strings.HasPrefix(host, unixPrefix)
}

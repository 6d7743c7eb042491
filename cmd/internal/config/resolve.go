package config

import (
	"net"
	"path/filepath"
	"strings"
)

// resolve fills in the defaults that follow other keys, and reports what is
// missing or does not go together. The main file's keys are for messages.
func (l *loader) resolve(main draft) {
	l.resolvePlaces(main)
	l.checkPage(main)
	if len(l.forwards) == 0 && !main.has("forward") {
		main.key("forward").fail("missing; at least one server that takes the mail is needed")
	}
	if len(l.accounts) == 0 && !main.has("accounts") {
		main.key("accounts").fail("missing; at least one is needed")
	}
	names := map[string]draft{}
	for _, d := range l.forwards {
		d.resolve()
		unique(names, d.draft, d.Name)
	}
	names, mailboxes := map[string]draft{}, map[string]draft{}
	for _, a := range l.accounts {
		l.resolveAccount(a)
		unique(names, a.draft, a.Name)
		warnOfDouble(mailboxes, a)
	}
	for _, d := range l.forwards {
		l.config.Forward = append(l.config.Forward, d.Destination)
	}
	for _, a := range l.accounts {
		l.config.Accounts = append(l.config.Accounts, a.Account)
	}
}

// checkPage warns of a password that opens nothing, or that is told to all.
func (l *loader) checkPage(main draft) {
	c := l.config
	if c.Web.Password.IsZero() {
		return
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case c.Listen == "":
		main.key("web").warn("password_file: has no effect without listen")
	case err == nil && !loopback(host):
		main.key("listen").warn("the page's password goes over the network unencrypted; let a web server with TLS stand in front of 127.0.0.1")
	}
}

// resolvePlaces says where the ledger and the spool are.
func (l *loader) resolvePlaces(main draft) {
	c := l.config
	if c.State == "" {
		c.State = DefaultState(l.env)
	}
	if c.State == "" {
		main.key("state").fail("missing; its default needs $STATE_DIRECTORY, $XDG_STATE_HOME or $HOME, and none of them is set")
		return
	}
	if c.Spool.Dir == "" {
		c.Spool.Dir = strings.TrimSuffix(c.State, filepath.Ext(c.State)) + ".spool"
	}
}

// unique reports a name that an earlier one has.
func unique(seen map[string]draft, d draft, name string) {
	if name == "" {
		return // the account lacks what its name is made of, which was said
	}
	if first, doubled := seen[name]; doubled {
		d.key("name").fail("%q is the name of another, in %s:%d", name, first.file, first.line)
		return
	}
	seen[name] = d
}

// warnOfDouble warns of a mailbox that two accounts empty.
func warnOfDouble(seen map[string]draft, a *accountDraft) {
	mailbox := a.Username + "\x00" + strings.ToLower(a.Host)
	if first, doubled := seen[mailbox]; doubled {
		a.key("username").warn("the same mailbox as in %s:%d; each account forwards all of it for itself", first.file, first.line)
		return
	}
	seen[mailbox] = a.draft
}

// resolve completes a destination.
func (d *forwardDraft) resolve() {
	d.require("host")
	if d.Name == "" {
		d.Name = d.Host
	}
	d.checkSecret()
	if d.own("token_command") {
		d.key("token_command").fail("is not in this version yet")
	}
	if d.OnReject == RejectQuarantine && d.lacks("quarantine_dir") {
		d.key("on_reject").fail("quarantine needs quarantine_dir, the folder for refused messages")
	}
	d.checkPair("username", passwordKeys()...)
	if strings.HasPrefix(d.Host, unixPrefix) {
		d.resolveSocket()
	} else {
		d.checkTLS(&d.Server)
		d.resolvePort()
	}
	if d.From == "" {
		d.From = d.defaultFrom()
	}
	d.checkDomains("to", d.Protocol, d.To...)
	d.checkDomains("from", d.Protocol, d.From)
}

func (d *forwardDraft) resolveSocket() {
	if d.Protocol != ProtocolLMTP {
		d.key("host").fail("a unix socket needs protocol: lmtp")
	}
	if d.has("port") {
		d.key("port").fail("a unix socket has no port")
	}
	if d.has("tls") && d.TLS.Mode != TLSNone {
		d.key("tls").fail("a unix socket has no TLS")
	}
	d.TLS.Mode = TLSNone
}

func (d *forwardDraft) resolvePort() {
	switch {
	case d.has("port"):
	case d.Protocol == ProtocolLMTP:
		d.key("port").fail("missing; LMTP has no port of its own, and 24 is only usual")
	case d.TLS.Mode == TLSImplicit:
		d.Port = 465
	case d.TLS.Mode == TLSStart:
		d.Port = 587
	default:
		d.Port = 25
	}
}

// defaultFrom returns the envelope sender that the server most likely accepts.
func (d *forwardDraft) defaultFrom() string {
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

// resolveAccount completes an account.
func (l *loader) resolveAccount(a *accountDraft) {
	a.resolveProvider()
	if a.lacks("provider") {
		a.require("host")
	}
	a.require("username")
	if a.Name == "" && a.Host != "" && a.Username != "" {
		a.Name = a.Username + "@" + a.Host
	}
	a.checkSecret()
	a.checkToken(&a.Server)
	switch {
	case a.Auth == AuthExternal && a.lacks("tls_cert_file"):
		a.key("auth").fail("external needs tls_cert_file and tls_key_file")
	case a.Auth != AuthExternal && a.lacksAll(secretKeys()...):
		a.key("password").fail("missing; give password, password_env, password_file or password_command")
	}
	a.checkTLS(&a.Server)
	switch {
	case a.Port != 0:
	case a.TLS.Mode == TLSImplicit:
		a.Port = 995
	default:
		a.Port = 110
	}
	if a.Schedule == "" {
		a.Schedule = l.config.Schedule
	}
	l.resolveDelivery(a)
}

// resolveDelivery says where an account's mail goes.
func (l *loader) resolveDelivery(a *accountDraft) {
	d := l.destination(a)
	if d == nil {
		return
	}
	a.Forward = d.Name
	if len(a.To) == 0 {
		a.To = d.To
	}
	if len(a.To) == 0 && !d.has("to") {
		d.key("to").fail("missing; there are accounts without a to of their own")
		return
	}
	if a.From == "" {
		a.From = d.From
	}
	if a.From == "" && len(a.To) > 0 {
		a.From = a.To[0]
	}
	a.checkDomains("to", d.Protocol, a.To...)
	a.checkDomains("from", d.Protocol, a.From)
}

// destination returns where an account forwards to, or nil.
func (l *loader) destination(a *accountDraft) *forwardDraft {
	if a.Forward == "" && len(l.forwards) > 0 {
		return l.forwards[0]
	}
	var names []string
	for _, d := range l.forwards {
		if d.Name == a.Forward {
			return d
		}
		names = append(names, d.Name)
	}
	if len(names) > 0 {
		a.key("forward").fail("there is no forward %q; there is %s", a.Forward, strings.Join(names, ", "))
	}
	return nil
}

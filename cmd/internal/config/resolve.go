package config

import (
	"path/filepath"
	"strings"
)

// resolve fills in the defaults that follow other keys, and reports missing keys
// and conflicts. main has the keys of the main file.
func (l *loader) resolve(main mapping) {
	l.resolvePlaces(main)
	l.checkPage(main)
	main.checkRoute(l.config.Route)
	if len(l.forwards) == 0 && !main.has("forward") {
		main.key("forward").fail("missing; at least one destination is required")
	}
	if len(l.accounts) == 0 && !main.has("accounts") {
		main.key("accounts").fail("missing; at least one account is required")
	}
	names := map[string]mapping{}
	for _, d := range l.forwards {
		d.resolve(l.config.Route)
		unique(names, d.mapping, d.Name)
	}
	names, mailboxes := map[string]mapping{}, map[string][]*accountMapping{}
	for _, a := range l.accounts {
		l.resolveAccount(a)
		unique(names, a.mapping, a.Name)
		if a.Enabled {
			warnOfDouble(mailboxes, a)
		}
	}
	l.checkNotify(main)
	for _, d := range l.forwards {
		l.config.Forward = append(l.config.Forward, d.Destination)
	}
	for _, a := range l.accounts {
		l.config.Accounts = append(l.config.Accounts, a.Account)
	}
}

// resolvePlaces fills in where the ledger and the spool are.
func (l *loader) resolvePlaces(main mapping) {
	c := l.config
	if c.State == "" {
		c.State = DefaultState(l.env)
	}
	if c.State == "" {
		main.key("state").fail("missing, and there is no default because none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set")
		return
	}
	l.resolveShared(main)
	beside := c.State
	if c.Shared != nil {
		if c.Local = DefaultState(l.env); c.Local == "" {
			main.key("spool").fail("the place for files of this machine is not known, because none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set")
			return
		}
		beside = c.Local
	}
	if c.Spool.Dir == "" {
		c.Spool.Dir = strings.TrimSuffix(beside, filepath.Ext(beside)) + ".spool"
	}
}

// unique reports a name that is already in use.
func unique(seen map[string]mapping, d mapping, name string) {
	if name == "" {
		return // the keys that the name is made of are missing, which was reported
	}
	if first, doubled := seen[name]; doubled {
		d.key("name").fail("the name %q is already used in %s:%d", name, first.file, first.line)
		return
	}
	seen[name] = d
}

// resolveAccount completes an account.
func (l *loader) resolveAccount(a *accountMapping) {
	a.resolveProvider()
	if a.lacks("provider") {
		a.require("host")
	}
	a.require("username")
	if a.Name == "" && a.Host != "" && a.Username != "" {
		a.Name = a.Username + "@" + a.Host
	}
	a.checkSecret()
	a.checkAuth(&a.Server)
	a.resolveOAuth2(&a.Server, "pop3")
	if a.Auth != AuthExternal && a.lacksAll(secretKeys()...) {
		a.key("password").fail("missing; set password, password_env, password_file or password_command")
	}
	a.checkTLS(&a.Server)
	a.resolveRoute(&a.Server, l.config.Route)
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

// resolveDelivery fills in where an account's mail goes.
func (l *loader) resolveDelivery(a *accountMapping) {
	d := l.destination(a)
	if d == nil {
		return
	}
	a.Forward, a.Endpoint = d.Name, d.Endpoint()
	a.checkRate(d)
	a.resolveMultidrop(d)
	if a.checkEnvelope(d.Protocol); d.Stores() {
		a.resolveFolder(d)
		return
	}
	if len(a.To) == 0 {
		a.To = d.To
	}
	if len(a.To) == 0 && !d.has("to") {
		d.key("to").fail("missing; some accounts have no to of their own")
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
	a.checkLoop(d)
	a.tagRecipients()
}

// destination returns the destination of an account, or nil.
func (l *loader) destination(a *accountMapping) *forwardMapping {
	if a.Forward == "" && len(l.forwards) > 0 {
		return l.forwards[0]
	}
	return l.named(a.key("forward"), a.Forward)
}

// named returns the destination with the name that v has. If there is none, it reports
// that and returns nil.
func (l *loader) named(v yamlValue, name string) *forwardMapping {
	var names []string
	for _, d := range l.forwards {
		if d.Name == name {
			return d
		}
		names = append(names, d.Name)
	}
	if len(names) > 0 {
		v.fail("no destination is named %q; defined: %s", name, strings.Join(names, ", "))
	}
	return nil
}

// checkNotify reports that notices are to go by a destination that does not exist, or
// to nobody.
func (l *loader) checkNotify(main mapping) {
	name := l.config.Notify.Forward
	if name == "" {
		return
	}
	v := main.key("notify")
	unheard := v
	unheard.report = nil // what is wrong with the keys was reported when they were read
	keys, _ := unheard.section()
	forward := mapping{v, keys}.key("forward")
	if l.named(forward, name); len(l.config.Notify.To) == 0 {
		forward.warn("has no effect without to")
	}
}

package config

import (
	"fmt"
	"maps"
)

// mapping is a YAML mapping with its position in the file.
type mapping struct {
	yamlValue
	keys fields // its own, and those from defaults
}

type accountMapping struct {
	mapping
	Account
}

type forwardMapping struct {
	mapping
	Destination
}

// has reports whether a key has a value that is not empty.
func (d mapping) has(name string) bool {
	v, ok := d.keys[name]
	return ok && !v.empty()
}

// lacks reports whether a key is missing or empty. A key without a value is not
// missing: that error was reported when the key was read.
func (d mapping) lacks(name string) bool {
	v, ok := d.keys[name]
	return !ok || v.empty() && !v.null()
}

// own reports whether a key has a value that is not from defaults.
func (d mapping) own(name string) bool {
	return d.has(name) && d.keys[name].report != nil
}

// key returns the position for an error about a key, whether the key is there or
// not.
func (d mapping) key(name string) yamlValue {
	v, ok := d.keys[name]
	if !ok {
		v = d.yamlValue
	}
	v.path, v.report = join(d.path, name), d.report
	return v
}

// overlay adds the shared keys that own lacks. The shared ones report no errors:
// theirs were reported once already.
func overlay(own, shared fields) fields {
	s := maps.Clone(shared)
	if s == nil {
		s = fields{}
	}
	for name, v := range s {
		v.report = nil
		s[name] = v
	}
	// A password or token replaces a shared one of any kind.
	d := mapping{keys: own}
	if !d.lacksAll(secretKeys()...) {
		for _, name := range secretKeys() {
			delete(s, name)
		}
	}
	// A proxy has a password of its own.
	if _, other := own["proxy"]; other || !d.lacksAll(proxyPasswordKeys()...) {
		for _, name := range proxyPasswordKeys() {
			delete(s, name)
		}
	}
	// provider and host replace each other.
	switch {
	case d.has("provider"):
		for _, name := range []string{"host", "port", "tls"} {
			delete(s, name)
		}
	case d.has("host"):
		delete(s, "provider")
	}
	maps.Copy(s, own)
	return s
}

// readDefaults reads the keys that accounts share.
func (l *loader) readDefaults(shared *fields) setter {
	return func(v yamlValue) {
		var unused Account
		t := l.accountKeys(&unused)
		t[0].set = func(v yamlValue) { v.fail("cannot be shared; each account has its own name") }
		s, _ := v.keys(t)
		t.decode(s)
		mapping{v, s}.checkSecret()
		mapping{v, s}.checkOnly(proxyPasswordKeys()...)
		delete(s, "name")
		*shared = overlay(s, *shared)
	}
}

// readAccounts reads a list of accounts.
func (l *loader) readAccounts(shared *fields) setter {
	return func(v yamlValue) {
		for _, item := range v.items() {
			item.path = label(v.path, item)
			a := &accountMapping{}
			t := l.accountKeys(&a.Account)
			if own, ok := item.keys(t); ok {
				a.mapping = mapping{item, overlay(own, *shared)}
				a.File, a.Line = item.file, item.line
				t.decode(a.keys)
				l.accounts = append(l.accounts, a)
			}
		}
	}
}

// readForward reads a list of destinations.
func (l *loader) readForward(v yamlValue) {
	for _, item := range v.items() {
		item.path = label(v.path, item)
		d := &forwardMapping{}
		t := l.forwardKeys(&d.Destination)
		if own, ok := item.keys(t); ok {
			d.mapping = mapping{item, own}
			d.File, d.Line = item.file, item.line
			t.decode(own)
			l.forwards = append(l.forwards, d)
		}
	}
}

// label returns the path of a list item, with its name if it has one.
func label(list string, item yamlValue) string {
	item.report = nil
	var name string
	if s, ok := item.section(); ok {
		if v, ok := s["name"]; ok {
			text(&name)(v)
		}
	}
	if name == "" {
		return item.path
	}
	return fmt.Sprintf("%s[%s]", list, name)
}

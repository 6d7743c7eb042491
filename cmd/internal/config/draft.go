package config

import (
	"fmt"
	"maps"
)

// draft is a mapping as it stands in its file.
type draft struct {
	value
	keys section // its own and those that it got from defaults
}

type accountDraft struct {
	draft
	Account
}

type forwardDraft struct {
	draft
	Destination
}

// has tells whether a key says something.
func (d draft) has(name string) bool {
	v, ok := d.keys[name]
	return ok && !v.empty()
}

// lacks tells whether a key is missing. One without a value is not: that was
// said when it was read.
func (d draft) lacks(name string) bool {
	v, ok := d.keys[name]
	return !ok || v.empty() && !v.null()
}

// own tells whether a key says something that is not from defaults.
func (d draft) own(name string) bool {
	return d.has(name) && d.keys[name].report != nil
}

// key returns the place to complain about a key, whether it is there or not.
func (d draft) key(name string) value {
	v, ok := d.keys[name]
	if !ok {
		v = d.value
	}
	v.path, v.report = join(d.path, name), d.report
	return v
}

// overlay returns a section's own values and the shared ones that it lacks.
// The shared ones are silent, for what is wrong with them was said once.
func overlay(own, shared section) section {
	s := maps.Clone(shared)
	if s == nil {
		s = section{}
	}
	for name, v := range s {
		v.report = nil
		s[name] = v
	}
	// A way to log in takes the place of a shared one, whatever their kinds.
	d := draft{keys: own}
	if !d.lacksAll(secretKeys()...) {
		for _, name := range secretKeys() {
			delete(s, name)
		}
	}
	// So does a server, by its provider or by its name.
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

// readDefaults reads what accounts share.
func (l *loader) readDefaults(shared *section) setter {
	return func(v value) {
		var unused Account
		t := l.accountKeys(&unused)
		t[0].set = func(v value) { v.fail("cannot be shared; each account has its own") }
		s, _ := v.keys(t)
		t.decode(s)
		draft{v, s}.checkSecret()
		delete(s, "name")
		*shared = overlay(s, *shared)
	}
}

// readAccounts reads a list of accounts.
func (l *loader) readAccounts(shared *section) setter {
	return func(v value) {
		for _, item := range v.items() {
			item.path = label(v.path, item)
			a := &accountDraft{}
			t := l.accountKeys(&a.Account)
			if own, ok := item.keys(t); ok {
				a.draft = draft{item, overlay(own, *shared)}
				a.File, a.Line = item.file, item.line
				t.decode(a.keys)
				l.accounts = append(l.accounts, a)
			}
		}
	}
}

// readForward reads a list of destinations.
func (l *loader) readForward(v value) {
	for _, item := range v.items() {
		item.path = label(v.path, item)
		d := &forwardDraft{}
		t := l.forwardKeys(&d.Destination)
		if own, ok := item.keys(t); ok {
			d.draft = draft{item, own}
			d.File, d.Line = item.file, item.line
			t.decode(own)
			l.forwards = append(l.forwards, d)
		}
	}
}

// label returns the path of an item of a list, by name where it has one.
func label(list string, item value) string {
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

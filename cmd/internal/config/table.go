package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/popferry/popferry/cmd/internal/spelling"
)

// A setter puts a value into the field that it was made for, or says with
// value.fail what is wrong with it.
type setter func(value)

// entry is one key that a mapping may have.
type entry struct {
	name string
	def  string // its default as one would write it; "": the zero value, or resolve.go knows
	set  setter
	sub  table // in place of set: the value is a mapping
}

// table is the keys that a mapping may have.
type table []entry

func key(name, def string, set setter) entry {
	return entry{name: name, def: def, set: set}
}

func group(name string, keys ...entry) entry {
	return entry{name: name, sub: keys}
}

// decode fills the fields of a table: with the defaults first, so that a field
// whose value is wrong has a right one for the checks that follow.
func (t table) decode(s section) {
	for _, e := range t {
		v, given := s[e.name]
		if e.sub != nil {
			inner := section{}
			if given {
				inner, _ = v.keys(e.sub)
			}
			e.sub.decode(inner)
			continue
		}
		if e.def != "" {
			e.set(value{node: &yaml.Node{Kind: yaml.ScalarNode, Value: e.def}})
		}
		if given {
			e.set(v)
		}
	}
}

// keys returns the values of a mapping that may have the keys of t, and
// reports those that t does not know. It is not ok if v is no mapping.
func (v value) keys(t table) (s section, ok bool) {
	s, ok = v.section()
	for name, c := range s {
		if t.has(name) {
			continue
		}
		hint := ""
		if near := t.near(name); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		c.path = v.path
		c.fail("unknown key %q%s", name, hint)
	}
	return s, ok
}

func (t table) has(name string) bool {
	for _, e := range t {
		if e.name == name {
			return true
		}
	}
	return false
}

// near returns the key that name was probably meant to be, or "".
func (t table) near(name string) string {
	var keys []string
	for _, e := range t {
		if len(name) > 2 && strings.HasPrefix(e.name, name) {
			return e.name
		}
		keys = append(keys, e.name)
	}
	return spelling.Nearest(name, keys, len(name)/3+1) // with more slips it is another word
}

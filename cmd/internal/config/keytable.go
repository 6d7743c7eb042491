package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/popferry/popferry/cmd/internal/spelling"
)

// A setter puts a value into its field, or reports with fail what is wrong.
type setter func(yamlValue)

// keyDef defines a key that a mapping may have.
type keyDef struct {
	name string
	def  string // the default as a user would write it; "": the zero value, or resolve.go sets it
	set  setter
	sub  keyTable // instead of set: the value is a mapping
}

// keyTable has the keys that a mapping may have.
type keyTable []keyDef

func key(name, def string, set setter) keyDef {
	return keyDef{name: name, def: def, set: set}
}

func group(name string, keys ...keyDef) keyDef {
	return keyDef{name: name, sub: keys}
}

// decode sets all fields: the default first, so that a field with a wrong value
// has a valid one for the checks that follow.
func (t keyTable) decode(s fields) {
	for _, e := range t {
		v, given := s[e.name]
		if e.sub != nil {
			inner := fields{}
			if given {
				inner, _ = v.keys(e.sub)
			}
			e.sub.decode(inner)
			continue
		}
		if e.def != "" {
			e.set(yamlValue{node: &yaml.Node{Kind: yaml.ScalarNode, Value: e.def}})
		}
		if given {
			e.set(v)
		}
	}
}

// keys returns the values of a mapping by key, and reports keys that are not in
// t. It is not ok if v is not a mapping.
func (v yamlValue) keys(t keyTable) (s fields, ok bool) {
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

func (t keyTable) has(name string) bool {
	for _, e := range t {
		if e.name == name {
			return true
		}
	}
	return false
}

// near returns the key that was probably meant, or "".
func (t keyTable) near(name string) string {
	var keys []string
	for _, e := range t {
		if len(name) > 2 && strings.HasPrefix(e.name, name) {
			return e.name
		}
		keys = append(keys, e.name)
	}
	return spelling.Nearest(name, keys, len(name)/3+1) // what is further away is another word
}

// choices are the words that a key accepts.
type choices []string

func words(w ...string) choices { return w }

// accountAuth are the ways to log in to a POP3 server.
func accountAuth() choices {
	return words("auto", "plain", "login", "user", "apop", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", AuthExternal)
}

// forwardAuth are the ways to log in to a destination.
func forwardAuth() choices {
	return words("auto", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", AuthExternal)
}

// tokenAuth are the ways to log in with an OAuth2 access token.
func tokenAuth() []string { return []string{"auto", "xoauth2", "oauthbearer"} }

// check reports a word that is not one of w.
func (w choices) check(v yamlValue, word string) bool {
	if slices.Contains(w, word) {
		return true
	}
	v.fail("%q is none of %s", word, strings.Join(w, ", "))
	return false
}

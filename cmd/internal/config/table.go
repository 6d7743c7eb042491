package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
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
	best, least := "", len(name)/3+2 // so many slips make it another word
	for _, e := range t {
		if len(name) > 2 && strings.HasPrefix(e.name, name) {
			return e.name
		}
		if d := slips(name, e.name); d < least {
			best, least = e.name, d
		}
	}
	return best
}

// slips counts the letters that have to be added, dropped or replaced, or
// swapped with their neighbour, to make b of a.
func slips(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

package config

import (
	"fmt"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// value is one node of a file and where it stands.
type value struct {
	node   *yaml.Node
	file   string
	line   int
	column int
	path   string // such as accounts[isp].tls
	report *report
}

// section is a mapping's values by their keys.
type section map[string]value

// fail reports that the value is wrong.
func (v value) fail(format string, args ...any) {
	v.report.fail(v.say(format, args...))
}

// warn reports that the value is allowed but doubtful.
func (v value) warn(format string, args ...any) {
	v.report.warn(v.say(format, args...))
}

func (v value) say(format string, args ...any) Error {
	return Error{File: v.file, Line: v.line, Key: v.path, Text: fmt.Sprintf(format, args...), column: v.column}
}

// at returns the value of node, which stands in v under the path name.
func (v value) at(node *yaml.Node, path string) value {
	v.line, v.column, v.path = node.Line, node.Column, path
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	v.node = node
	return v
}

// child returns the value of a key of v.
func (v value) child(key, node *yaml.Node) value {
	c := v.at(node, join(v.path, key.Value))
	c.line, c.column = key.Line, key.Column
	return c
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// scalar returns the text of a scalar as it is written; a number is its digits.
// Its errors do not show the value, which may be a secret.
func (v value) scalar() (string, bool) {
	switch {
	case v.node.Kind != yaml.ScalarNode:
		v.fail("must be a single value, not %s", v.kind())
	case v.null():
		v.fail("has no value; give it one or take the key out")
	case v.node.Style&yaml.TaggedStyle != 0:
		v.fail("a value that begins with ! must stand in quotes")
	default:
		return v.node.Value, true
	}
	return "", false
}

// null tells whether a key stands there without a value.
func (v value) null() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null"
}

// empty tells whether the value says nothing.
func (v value) empty() bool {
	return v.null() || v.node.Value == "" && len(v.node.Content) == 0
}

// isList tells whether the value is written as a list.
func (v value) isList() bool { return v.node.Kind == yaml.SequenceNode }

// items returns the values of a list; an empty value is an empty list.
func (v value) items() []value {
	if v.empty() {
		return nil
	}
	if !v.isList() {
		v.fail("must be a list, not %s", v.kind())
		return nil
	}
	list := make([]value, len(v.node.Content))
	for i, n := range v.node.Content {
		list[i] = v.at(n, fmt.Sprintf("%s[%d]", v.path, i))
	}
	return list
}

// section returns the values of a mapping; an empty value is an empty mapping.
func (v value) section() (section, bool) {
	s := section{}
	if v.empty() {
		return s, true
	}
	if v.node.Kind != yaml.MappingNode {
		v.fail("must be keys with values, not %s", v.kind())
		return nil, false
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.node.Content[i]
		c := v.child(key, v.node.Content[i+1])
		first, doubled := s[key.Value]
		switch {
		case !isWord(key):
			v.at(key, v.path).fail("not a key; a key is one word, and a space follows its colon")
		case key.Value == "<<":
			v.at(key, v.path).fail("<< is not read here; what accounts share goes into defaults")
		case doubled:
			c.fail("is here twice, first in line %d", first.line)
		default:
			s[key.Value] = c
		}
	}
	return s, true
}

// isWord tells whether a key can be shown: after a forgotten space the
// key would be password:hunter2.
func isWord(key *yaml.Node) bool {
	if key.Kind != yaml.ScalarNode || key.Value == "" || len(key.Value) > 40 {
		return false
	}
	return strings.IndexFunc(key.Value, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.<", r)
	}) < 0
}

// kind says what the value is, for messages.
func (v value) kind() string {
	switch v.node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "keys with values"
	default:
		return "a single value"
	}
}

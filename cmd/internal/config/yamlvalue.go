package config

import (
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// yamlValue is one node of a file and its position.
type yamlValue struct {
	node   *yaml.Node
	file   string
	line   int
	column int
	path   string // such as accounts[isp].tls
	report *report
}

// fields are the values of a mapping by key.
type fields map[string]yamlValue

// fail reports an error about the value.
func (v yamlValue) fail(format string, args ...any) {
	v.report.fail(v.say(format, args...))
}

// warn reports a warning about the value.
func (v yamlValue) warn(format string, args ...any) {
	v.report.warn(v.say(format, args...))
}

func (v yamlValue) say(format string, args ...any) Error {
	return Error{File: v.file, Line: v.line, Key: v.path, Text: fmt.Sprintf(format, args...), column: v.column}
}

// at returns the value of node, which is a part of v with the given path.
func (v yamlValue) at(node *yaml.Node, path string) yamlValue {
	v.line, v.column, v.path = node.Line, node.Column, path
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	v.node = node
	return v
}

// child returns the value of a key of v.
func (v yamlValue) child(key, node *yaml.Node) yamlValue {
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

// scalar returns the text of a scalar as it is written in the file. Its errors
// do not show the value, which may be a secret.
func (v yamlValue) scalar() (string, bool) {
	switch {
	case v.node.Kind != yaml.ScalarNode:
		v.fail("must be a single value, not %s", v.kind())
	case v.null():
		v.fail("has no value; set one or remove the key")
	case v.node.Style&yaml.TaggedStyle != 0:
		v.fail("a value that begins with ! must be quoted")
	default:
		return v.node.Value, true
	}
	return "", false
}

// null reports whether a key has no value.
func (v yamlValue) null() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null"
}

// empty reports whether the value is missing, "" or an empty list or mapping.
func (v yamlValue) empty() bool {
	return v.null() || v.node.Value == "" && len(v.node.Content) == 0
}

// isList reports whether the value is a list.
func (v yamlValue) isList() bool { return v.node.Kind == yaml.SequenceNode }

// items returns the values of a list; an empty value is an empty list.
func (v yamlValue) items() []yamlValue {
	if v.empty() {
		return nil
	}
	if !v.isList() {
		v.fail("must be a list, not %s", v.kind())
		return nil
	}
	list := make([]yamlValue, len(v.node.Content))
	for i, n := range v.node.Content {
		list[i] = v.at(n, fmt.Sprintf("%s[%d]", v.path, i))
	}
	return list
}

// section returns the values of a mapping; an empty value is an empty mapping.
func (v yamlValue) section() (fields, bool) {
	s := fields{}
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
			v.at(key, v.path).fail("not a valid key; a key is one word, followed by a colon and a space")
		case key.Value == "<<":
			v.at(key, v.path).fail("<< is not supported; put what accounts share into defaults")
		case doubled:
			c.fail("is defined twice, first in line %d", first.line)
		default:
			s[key.Value] = c
		}
	}
	return s, true
}

// isWord reports whether a key can be shown: if the space after the colon is
// missing, the key is password:hunter2.
func isWord(key *yaml.Node) bool {
	if key.Kind != yaml.ScalarNode || key.Value == "" || len(key.Value) > 40 {
		return false
	}
	return strings.IndexFunc(key.Value, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.<", r)
	}) < 0
}

// kind names the kind of the value for messages.
func (v yamlValue) kind() string {
	switch v.node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "keys with values"
	default:
		return "a single value"
	}
}

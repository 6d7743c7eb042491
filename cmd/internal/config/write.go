package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Sketch is a configuration to be written, from a user's answers or the files of
// another program. Keys that are not in it get their defaults when it is read.
type Sketch struct {
	Head     string // a comment at the top, without #; may have several lines
	Settings Section
	Accounts []Section
	Forward  []Section
}

// Section has the keys of a mapping in the order in which they are written.
type Section []Pair

// Pair is one key with its value.
type Pair struct {
	Key     string
	Value   any    // a string, number, bool, []string or Section
	Comment string // after the value, without #; may be empty
}

// YAML returns the content of the file.
func (s Sketch) YAML() ([]byte, error) {
	top, err := s.Settings.node()
	if err != nil {
		return nil, err
	}
	for _, list := range []struct {
		key   string
		items []Section
	}{{"accounts", s.Accounts}, {"forward", s.Forward}} {
		if len(list.items) == 0 {
			continue
		}
		seq := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range list.items {
			n, err := item.node()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list.key, err)
			}
			seq.Content = append(seq.Content, n)
		}
		top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: list.key}, seq)
	}
	doc := &yaml.Node{Kind: yaml.DocumentNode, HeadComment: s.Head, Content: []*yaml.Node{top}}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(doc), e.Close()); err != nil {
		return nil, fmt.Errorf("write the configuration as YAML: %w", err)
	}
	return b.Bytes(), nil
}

func (s Section) node() (*yaml.Node, error) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range s {
		v, err := p.node()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Key, err)
		}
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: p.Key}, v)
	}
	return m, nil
}

func (p Pair) node() (*yaml.Node, error) {
	if inner, ok := p.Value.(Section); ok {
		return inner.node()
	}
	v := &yaml.Node{}
	if err := v.Encode(p.Value); err != nil {
		return nil, err
	}
	v.LineComment = p.Comment
	if v.Kind == yaml.SequenceNode && !slices.ContainsFunc(v.Content, func(n *yaml.Node) bool { return strings.Contains(n.Value, "\n") }) {
		v.Style = yaml.FlowStyle
	}
	return v, nil
}

// Create writes a new file that only its owner may read, because it may contain
// secrets. The file is written whole or not at all. If it exists already it is
// not changed, and the error is fs.ErrExist.
func Create(path string, content []byte) error { return create(path, content, os.Link) }

// create implements Create. A link never replaces another file, as a rename
// would. Where the file system has no links (FAT, shares of some NAS), the file
// is opened exclusively; a power failure may then leave it empty.
func create(path string, content []byte, link func(from, to string) error) (err error) {
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	if err = fill(draft, content); err == nil {
		err = link(draft.Name(), path)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = exclusive(path, content)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s already exists: %w", path, fs.ErrExist)
	case err != nil:
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// exclusive writes a file that must not exist.
func exclusive(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := fill(f, content); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// fill writes a file to disk and closes it.
func fill(f *os.File, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

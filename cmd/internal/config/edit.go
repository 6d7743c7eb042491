package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/popferry/popferry/cmd/internal/trust"
)

// AccountFile is the text of a file with one account and nothing else, as init writes
// it. Edits leave everything else as it is, comments too.
type AccountFile struct {
	text []byte
	keys []*yaml.Node // of the account, each followed by its value
}

// errNotOneAccount: somebody has written the file otherwise.
var errNotOneAccount = errors.New("the file has more than one account, or is not in the form that init writes; edit it by hand")

// ParseAccountFile reads the text of such a file.
func ParseAccountFile(text []byte) (AccountFile, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return AccountFile{}, err
	}
	if doc.Kind != yaml.DocumentNode || doc.Content[0].Kind != yaml.MappingNode {
		return AccountFile{}, errNotOneAccount
	}
	top := doc.Content[0].Content
	if len(top) != 2 || top[0].Value != "accounts" || top[1].Kind != yaml.SequenceNode || len(top[1].Content) != 1 {
		return AccountFile{}, errNotOneAccount
	}
	account := top[1].Content[0]
	if account.Kind != yaml.MappingNode || account.Style&yaml.FlowStyle != 0 {
		return AccountFile{}, errNotOneAccount
	}
	return AccountFile{text, account.Content}, nil
}

// Get returns the text of a key's value; "" if it is not there.
func (f AccountFile) Get(key string) string {
	if v := f.value(key); v != nil {
		return v.Value
	}
	return ""
}

func (f AccountFile) value(key string) *yaml.Node {
	for i := 0; i+1 < len(f.keys); i += 2 {
		if f.keys[i].Value == key {
			return f.keys[i+1]
		}
	}
	return nil
}

// WithEnabled returns the text with the key enabled set: in its place, or else below
// the account's first line.
func (f AccountFile) WithEnabled(enabled bool) ([]byte, error) {
	lines := bytes.SplitAfter(f.text, []byte("\n"))
	word := strconv.FormatBool(enabled)
	if v := f.value("enabled"); v != nil {
		line := lines[v.Line-1]
		at := v.Column - 1 // in characters; before a bool are only the key and spaces
		if v.Style != 0 || !bytes.HasPrefix(line[min(at, len(line)):], []byte(v.Value)) {
			return nil, errNotOneAccount
		}
		lines[v.Line-1] = slices.Concat(line[:at], []byte(word), line[at+len(v.Value):])
		return f.check(bytes.Join(lines, nil), word)
	}
	first := f.keys[0]
	added := fmt.Sprintf("%senabled: %s\n", strings.Repeat(" ", first.Column-1), word)
	lines = slices.Insert(lines, f.keys[1].Line, []byte(added))
	return f.check(bytes.Join(lines, nil), word)
}

// check makes sure that a new text says what the old one did, but for enabled.
func (f AccountFile) check(text []byte, enabled string) ([]byte, error) {
	now, err := ParseAccountFile(text)
	if err != nil {
		return nil, errNotOneAccount
	}
	without := func(f AccountFile) (all []string) {
		for i := 0; i+1 < len(f.keys); i += 2 {
			value, err := yaml.Marshal(f.keys[i+1])
			if err != nil || f.keys[i].Value == "enabled" {
				continue
			}
			all = append(all, f.keys[i].Value+": "+string(value))
		}
		return all
	}
	if now.Get("enabled") != enabled || !slices.Equal(without(now), without(f)) {
		return nil, errNotOneAccount
	}
	return text, nil
}

// ErrChanged: a file is not what it was when it was read.
var ErrChanged = errors.New("the file has been changed meanwhile; look at it again")

// Replace replaces the content of a file whole or not at all. It is ErrChanged if the
// file no longer says what it did. Only its owner may read the new one.
func Replace(path string, before, after []byte) (err error) {
	if info, err := os.Lstat(path); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; edit it by hand", path)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if removed := os.Remove(draft.Name()); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}()
	if err := errors.Join(keepOwner(draft, path), fill(draft, after)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, before) {
		return errors.Join(fmt.Errorf("%s: %w", path, ErrChanged), err)
	}
	return os.Rename(draft.Name(), path)
}

// keepOwner gives a new file the owner of the one that it replaces.
func keepOwner(draft *os.File, path string) error {
	old, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mine, err := draft.Stat()
	if err != nil {
		return err
	}
	uid, gid, ok := trust.Owner(old)
	if u, g, _ := trust.Owner(mine); !ok || u == uid && g == gid {
		return nil
	}
	return draft.Chown(uid, gid)
}

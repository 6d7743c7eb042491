package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Env is what a configuration depends on besides its files. The zero value is
// the environment of the process.
type Env struct {
	// Getenv returns an environment variable. Default: os.Getenv.
	Getenv func(string) string
	// CheckSchedule says what is wrong with a cron expression. Default: nothing is.
	CheckSchedule func(string) error
	// Exists tells whether there is a file. Default: os.Stat does.
	Exists func(path string) bool
	// ReadOnly: nothing will log in, so files with passwords and certificates may
	// be missing, as the credentials of a service are for all other users.
	ReadOnly bool
}

func (e Env) orDefaults() Env {
	if e.Getenv == nil {
		e.Getenv = os.Getenv
	}
	if e.CheckSchedule == nil {
		e.CheckSchedule = func(string) error { return nil }
	}
	if e.Exists == nil {
		e.Exists = func(path string) bool { _, err := os.Stat(path); return err == nil }
	}
	return e
}

// Load reads the configuration file path and those it includes. The error is
// an *Errors with all that is wrong.
func Load(path string, env Env) (*Config, error) {
	l := &loader{env: env.orDefaults(), config: &Config{Path: path}, modes: map[string]fs.FileMode{}}
	if root, ok := l.parse(path); ok {
		t := l.mainKeys()
		if s, ok := root.keys(t); ok {
			t.decode(s)
			l.readIncludes()
			root.line = 0 // what is missing stands in no line
			l.resolve(draft{root, s})
		}
	}
	if err := l.report.err(); err != nil {
		err.Files, err.Patterns = l.config.Files, l.config.Patterns
		return nil, err
	}
	l.config.Warnings = lines(inOrder(l.report.warnings))
	return l.config, nil
}

// loader is the work on one configuration.
type loader struct {
	env      Env
	report   report
	config   *Config
	shared   section // the main file's defaults
	includes []value // patterns
	accounts []*accountDraft
	forwards []*forwardDraft
	modes    map[string]fs.FileMode // of the files read
}

// parse returns a file's one document.
func (l *loader) parse(path string) (value, bool) {
	root := value{file: path, report: &l.report}
	l.config.Files = append(l.config.Files, path)
	text, mode, err := readFile(path)
	if err != nil {
		root.fail("cannot be read: %v", reason(err))
		return root, false
	}
	l.modes[path] = mode

	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil {
		syntax(root, text, err)
		return root, false
	}
	if err := decoder.Decode(&second); err == nil {
		root.at(&second, "").fail("a second document begins here; there can be only one")
	} else if !errors.Is(err, io.EOF) {
		syntax(root, text, err)
	}
	root = root.at(doc.Content[0], "")
	if root.empty() {
		syntax(root, text, io.EOF)
		return root, false
	}
	return root, true
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	text, err := io.ReadAll(f)
	return text, info.Mode(), err
}

// syntax reports what the YAML library says of a file.
func syntax(root value, text []byte, err error) {
	if errors.Is(err, io.EOF) {
		root.line = 0
		root.fail("is empty")
		return
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(message); m != nil {
		root.line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	// The one message that shows a value: a password that begins with a *.
	if m := regexp.MustCompile(`^unknown anchor '(.*)'`).FindStringSubmatch(message); m != nil {
		before, _, _ := bytes.Cut(text, []byte("*"+m[1]))
		root.line = 1 + bytes.Count(before, []byte("\n"))
		message = "a value that begins with * must stand in quotes"
	}
	root.fail("not valid YAML: %s", message)
}

// include notes the patterns of files to include.
func (l *loader) include(v value) {
	if v.empty() || v.isList() {
		l.includes = v.items()
		return
	}
	l.includes = []value{v}
}

// readIncludes reads each file that a pattern matches, once.
func (l *loader) readIncludes() {
	seen := map[string]bool{filepath.Clean(l.config.Path): true}
	for _, pattern := range l.includes {
		var glob string
		if text(&glob)(pattern); glob == "" {
			continue
		}
		at := under(filepath.Dir(pattern.file), glob)
		l.config.Patterns = append(l.config.Patterns, at)
		files, err := filepath.Glob(at)
		switch {
		case err != nil:
			pattern.fail("%q is not a pattern", glob)
		case len(files) == 0:
			pattern.fail("%q matches no file", glob)
		}
		for _, path := range files {
			if seen[path] {
				continue
			}
			seen[path] = true
			if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
				pattern.fail("%s is not a file", path) // and a pipe would wait for ever
				continue
			}
			l.readIncluded(path)
		}
	}
}

func (l *loader) readIncluded(path string) {
	root, ok := l.parse(path)
	if !ok {
		return
	}
	shared := l.shared
	t := l.includedKeys(&shared)
	if s, ok := root.keys(t); ok {
		t.decode(s)
	}
}

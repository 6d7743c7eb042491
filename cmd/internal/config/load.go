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

	"go.yaml.in/yaml/v3"

	"github.com/popferry/popferry/cmd/internal/trust"
)

// Env is what a configuration depends on besides its files. The zero value is
// the environment of the process.
type Env struct {
	// Getenv returns an environment variable. Default: os.Getenv.
	Getenv func(string) string
	// CheckSchedule returns an error for a bad cron expression. Default: every
	// expression is accepted.
	CheckSchedule func(string) error
	// Exists reports whether a file exists. Default: by os.Stat.
	Exists func(path string) bool
	// Guard says which files can be trusted. Default: trust.Current.
	Guard *trust.Guard
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
	if e.Guard == nil {
		e.Guard = trust.Current()
	}
	return e
}

// Load reads a configuration file and the files that it includes. The error is
// an *Errors with everything that is wrong.
func Load(path string, env Env) (*Config, error) {
	l := &loader{env: env.orDefaults(), config: &Config{Path: path}, infos: map[string]fs.FileInfo{}}
	if root, ok := l.parse(path); ok {
		t := l.mainKeys()
		if s, ok := root.keys(t); ok {
			t.decode(s)
			l.readIncludes()
			root.line = 0 // a missing key has no line
			l.resolve(mapping{root, s})
		}
	}
	if err := l.report.err(); err != nil {
		err.Files, err.Patterns = l.config.Files, l.config.Patterns
		return nil, err
	}
	l.config.Warnings = lines(inOrder(l.report.warnings))
	return l.config, nil
}

// loader is the state of loading one configuration.
type loader struct {
	env      Env
	report   report
	config   *Config
	shared   fields      // the main file's defaults
	includes []yamlValue // patterns
	accounts []*accountMapping
	forwards []*forwardMapping
	infos    map[string]fs.FileInfo // of the files read

	variables []string // of the environment that have passwords
}

// parse returns the only document of a file.
func (l *loader) parse(path string) (yamlValue, bool) {
	root := yamlValue{file: path, report: &l.report}
	l.config.Files = append(l.config.Files, path)
	text, info, err := l.read(path)
	if refused, ok := errors.AsType[*trust.Error](err); ok {
		root.fail("%s", refused.Reason())
		l.config.Files = append(l.config.Files, refused.Culprit) // mending it mends this
		return root, false
	}
	if err != nil {
		root.fail("cannot be read: %v", reason(err))
		return root, false
	}
	l.infos[path] = info

	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil {
		syntax(root, text, err)
		return root, false
	}
	if err := decoder.Decode(&second); err == nil {
		root.at(&second, "").fail("a second YAML document begins here; only one is allowed")
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

// read reads a file that nobody else can have written.
func (l *loader) read(path string) ([]byte, fs.FileInfo, error) {
	f, err := l.env.Guard.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(f)
	return text, info, err
}

// syntax reports an error of the YAML library.
func syntax(root yamlValue, text []byte, err error) {
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
	// This is the only message that shows a value: a password that begins with *.
	if m := regexp.MustCompile(`^unknown anchor '(.*)'`).FindStringSubmatch(message); m != nil {
		before, _, _ := bytes.Cut(text, []byte("*"+m[1]))
		root.line = 1 + bytes.Count(before, []byte("\n"))
		message = "a value that begins with * must be quoted"
	}
	root.fail("not valid YAML: %s", message)
}

// include records the patterns of files to include.
func (l *loader) include(v yamlValue) {
	if v.empty() || v.isList() {
		l.includes = v.items()
		return
	}
	l.includes = []yamlValue{v}
}

// readIncludes reads each file that matches a pattern, once.
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
			pattern.fail("%q is not a valid pattern", glob)
		case len(files) == 0:
			pattern.fail("no file matches %q", glob)
		}
		for _, path := range files {
			if seen[path] {
				continue
			}
			seen[path] = true
			if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
				pattern.fail("%s is not a regular file", path) // reading a pipe could block forever
				continue
			}
			if root, ok := l.parse(path); ok {
				shared := l.shared
				t := l.includedKeys(&shared)
				if s, ok := root.keys(t); ok {
					t.decode(s)
				}
			}
		}
	}
}
